-- A stream of orders, each with its customer from a table; orders of strangers stay, with NULLs.
-- eddy run samples/stream_static_join.sql
CREATE STREAM orders (id BIGINT, customer INT, status STRING, amount DECIMAL(10, 2), at TIMESTAMP)
USING json OPTIONS (path 'samples/data/orders');
CREATE TABLE customers (id INT, name STRING, city STRING)
USING csv OPTIONS (path 'samples/data/customers.csv', header true);

START by_city AS
SELECT coalesce(c.city, '(unknown)') AS city, count(*) AS orders, sum(o.amount) AS total
FROM STREAM orders AS o LEFT JOIN customers AS c ON o.customer = c.id
GROUP BY coalesce(c.city, '(unknown)')
INTO memory
OUTPUT MODE complete
TRIGGER AVAILABLE NOW;

AWAIT by_city;
SELECT city, orders, total FROM by_city ORDER BY total DESC;
