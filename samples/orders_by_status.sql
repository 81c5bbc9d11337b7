-- Orders per status, from JSON files as they come into a directory.
-- eddy run samples/orders_by_status.sql
CREATE STREAM orders (id BIGINT, customer INT, status STRING, amount DECIMAL(10, 2), at TIMESTAMP)
USING json OPTIONS (path 'samples/data/orders');

SELECT status, count(*) AS orders, sum(amount) AS total
FROM STREAM orders
GROUP BY status
ORDER BY orders DESC, status
OUTPUT MODE complete
TRIGGER AVAILABLE NOW;
