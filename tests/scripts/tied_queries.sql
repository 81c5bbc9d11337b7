-- Sub-queries and functions that look at the rows of a stream: LATERAL, in the select list, in WHERE, own functions.
CREATE STREAM orders (id BIGINT, customer INT, status STRING, amount DECIMAL(10, 2), at TIMESTAMP)
USING json OPTIONS (path 'samples/data/orders');
CREATE TABLE names AS SELECT * FROM VALUES (1, 'ann', 5), (2, 'bob', 50), (2, 'bea', 60), (3, 'cid', 500) AS t(customer, name, least);
CREATE TEMPORARY FUNCTION doubled(x DECIMAL(10, 2), times INT DEFAULT 2) RETURNS DECIMAL(12, 2) COMMENT 'x so many times' RETURN x * times;
CREATE TEMPORARY FUNCTION best(who INT) RETURNS STRING RETURN (SELECT max(name) FROM names WHERE names.customer = who);
CREATE TEMPORARY FUNCTION known(most INT) RETURNS TABLE (who INT, name STRING) RETURN SELECT customer, name FROM names WHERE least <= most;
DESCRIBE FUNCTION EXTENDED doubled;
SHOW FUNCTIONS LIKE 'doubled';
SELECT id, doubled(amount) AS twice, doubled(amount, times => 3) AS thrice, best(customer) AS best FROM STREAM orders WHERE id < 4 TRIGGER AVAILABLE NOW;
SELECT id, name FROM STREAM orders AS o, LATERAL (SELECT name FROM names WHERE names.customer = o.customer) WHERE id < 4 TRIGGER AVAILABLE NOW;
SELECT id, twice FROM STREAM orders AS o, LATERAL (SELECT o.amount * 2 AS twice) WHERE id < 3 TRIGGER AVAILABLE NOW;
SELECT id, part FROM STREAM orders AS o, LATERAL explode(split(o.status, 'e')) AS e(part) WHERE id < 3 TRIGGER AVAILABLE NOW;
SELECT id, (SELECT count(*) FROM names WHERE names.customer = o.customer) AS n FROM STREAM orders AS o WHERE id < 4 TRIGGER AVAILABLE NOW;
SELECT id FROM STREAM orders AS o WHERE id < 9 AND EXISTS (SELECT 1 FROM names WHERE names.customer = o.customer AND names.least > o.amount) TRIGGER AVAILABLE NOW;
SELECT id FROM STREAM orders AS o WHERE customer IN (SELECT customer FROM names) OR id = 1 TRIGGER AVAILABLE NOW;
SELECT * FROM known(60) ORDER BY name;
SELECT n.name, k.who FROM names AS n, LATERAL known(n.least) AS k ORDER BY n.name, k.who;
DROP TEMPORARY FUNCTION doubled;
DROP TEMPORARY FUNCTION IF EXISTS doubled;
