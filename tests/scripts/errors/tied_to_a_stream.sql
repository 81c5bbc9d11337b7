CREATE STREAM orders (id BIGINT, customer INT, amount INT) USING json OPTIONS (path 'samples/data/orders');
CREATE TABLE names AS SELECT * FROM VALUES (1, 5) AS t(customer, least);
SELECT id, (SELECT max(least) FROM names WHERE least < o.amount) AS most FROM STREAM orders AS o TRIGGER AVAILABLE NOW;
