-- run: --keep-going
-- Streams into files of every format, read back as tables.
CREATE STREAM orders (id BIGINT, customer INT, status STRING, amount DECIMAL(10, 2), at TIMESTAMP)
USING json OPTIONS (path 'samples/data/orders');
SELECT id, status, amount, at FROM STREAM orders WHERE id <= 4 INTO parquet OPTIONS (path '<tmp>/p', compression 'zstd') TRIGGER AVAILABLE NOW;
CREATE TABLE p USING parquet OPTIONS (path '<tmp>/p');
SELECT * FROM p ORDER BY id;
SELECT id, status, amount, at FROM STREAM orders WHERE id <= 4 INTO csv OPTIONS (path '<tmp>/c', header 'true', sep ';') TRIGGER AVAILABLE NOW;
CREATE TABLE c USING text OPTIONS (path '<tmp>/c');
SELECT * FROM c;
SELECT id, status, amount, at FROM STREAM orders WHERE id <= 4 INTO json OPTIONS (path '<tmp>/j', timestampFormat 'HH:mm:ss') TRIGGER AVAILABLE NOW;
CREATE TABLE j USING text OPTIONS (path '<tmp>/j');
SELECT * FROM j;
SELECT concat(id, ' ', status) AS line FROM STREAM orders WHERE id <= 4 INTO text OPTIONS (path '<tmp>/t') TRIGGER AVAILABLE NOW;
CREATE TABLE t USING text OPTIONS (path '<tmp>/t');
SELECT * FROM t;
-- Partitions are directories, and their column is in no file.
SELECT id, status FROM STREAM orders WHERE id <= 4 INTO json OPTIONS (path '<tmp>/d') PARTITIONED BY (status) TRIGGER AVAILABLE NOW;
CREATE TABLE d USING text OPTIONS (path '<tmp>/d/status=paid');
SELECT * FROM d;
-- A query over tables writes its result once.
SELECT status, count(*) AS n FROM p GROUP BY status ORDER BY status INTO csv OPTIONS (path '<tmp>/once');
CREATE TABLE once USING text OPTIONS (path '<tmp>/once');
SELECT * FROM once;
