-- Streams over files, run to their end.
CREATE STREAM orders (id BIGINT, customer INT, status STRING, amount DECIMAL(10, 2), at TIMESTAMP)
USING json OPTIONS (path 'samples/data/orders');
SELECT count(*) AS n, sum(amount) AS total FROM STREAM orders TRIGGER AVAILABLE NOW;
SELECT status, count(*) AS n FROM orders GROUP BY status ORDER BY status OUTPUT MODE complete TRIGGER ONCE;
SELECT window.start AS start, count(*) AS n
FROM STREAM orders WATERMARK at DELAY OF INTERVAL 10 SECONDS
GROUP BY window(at, '1 minute')
OUTPUT MODE append TRIGGER AVAILABLE NOW;
START counts AS SELECT status, count(*) AS n FROM STREAM orders GROUP BY status
INTO memory OUTPUT MODE complete TRIGGER AVAILABLE NOW;
AWAIT counts;
SELECT * FROM counts ORDER BY n DESC, status;
SELECT status, n FROM counts WHERE n > 1;
SELECT id, status FROM STREAM orders WHERE customer = 3 INTO console OPTIONS (vertical true) TRIGGER AVAILABLE NOW;
SELECT id FROM STREAM orders WHERE id < 0 TRIGGER AVAILABLE NOW;
STOP counts;
SELECT name, state, sink FROM queries();
EXPLAIN SELECT status, count(*) AS n FROM STREAM orders WHERE amount > 10 GROUP BY status;
