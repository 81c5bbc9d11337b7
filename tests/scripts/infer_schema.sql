-- The columns of data that nobody declared.
CREATE TABLE parts USING json OPTIONS (path 'tests/scripts/data/parts');
SELECT *, typeof(day) AS t FROM parts WHERE hour = 4;
CREATE STREAM live USING json OPTIONS (path 'tests/scripts/data/parts');
SELECT day, sum(v) AS s FROM STREAM live GROUP BY day ORDER BY day OUTPUT MODE complete TRIGGER AVAILABLE NOW;
INFER SCHEMA FROM STREAM live;
CREATE TABLE customers (line STRING) USING text OPTIONS (path 'samples/data/customers.csv');
INFER SCHEMA FROM customers LIMIT 10;
CREATE STREAM ticks USING rate;
INFER SCHEMA FROM ticks;
