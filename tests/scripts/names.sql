-- Streams, tables and views by name.
CREATE STREAM orders (id BIGINT, status STRING) USING json OPTIONS (path 'samples/data/orders');
CREATE TABLE customers USING csv OPTIONS (path 'samples/data/customers.csv', header true);
CREATE TABLE t AS SELECT 1 AS a, 'x' AS b;
CREATE TABLE IF NOT EXISTS t AS SELECT 2 AS a;
CREATE OR REPLACE TABLE t AS SELECT a + 1 AS a, b FROM t;
CREATE VIEW v AS SELECT a * 10 AS ten FROM t;
SHOW STREAMS;
SHOW TABLES;
SHOW TABLES LIKE 'cust*';
SHOW VIEWS;
DESCRIBE orders;
DESCRIBE v;
SELECT * FROM v;
SELECT name, city FROM customers ORDER BY name;
DROP VIEW v;
DROP VIEW IF EXISTS v;
DROP TABLE t;
SHOW VIEWS;
