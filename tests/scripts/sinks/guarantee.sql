-- What a restart would mean, and which link is the weakest.
CREATE STREAM lines USING socket OPTIONS (host 'localhost', port 9);
CREATE STREAM kept USING socket OPTIONS (host 'localhost', port 9, wal 'true');
CREATE STREAM orders (id BIGINT, status STRING) USING json OPTIONS (path 'samples/data/orders');
SHOW STREAMS;
EXPLAIN SELECT value FROM STREAM lines INTO parquet OPTIONS (path '/nowhere/x');
EXPLAIN SELECT value FROM STREAM kept INTO parquet OPTIONS (path '/nowhere/x') CHECKPOINT '/nowhere/c';
EXPLAIN SELECT id FROM STREAM orders;
EXPLAIN SELECT id FROM STREAM orders INTO parquet OPTIONS (path '/nowhere/x') CHECKPOINT '/nowhere/c';
EXPLAIN SELECT status, count(*) FROM STREAM orders GROUP BY status INTO memory OUTPUT MODE complete CHECKPOINT '/nowhere/c';
START q AS SELECT id FROM STREAM orders WHERE id < 0 INTO noop TRIGGER AVAILABLE NOW;
AWAIT q;
SELECT guarantee, guaranteeReason FROM queries();
SELECT value FROM STREAM kept;
