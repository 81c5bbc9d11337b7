-- What SHOW QUERIES says: a narrow table, and sentences beneath.
CREATE STREAM orders (id BIGINT, status STRING) USING json OPTIONS (path '<tmp>', pathGlobFilter '*.json');
START counts AS SELECT status, count(*) FROM STREAM orders GROUP BY status INTO memory OUTPUT MODE complete;
START kept AS SELECT id FROM STREAM orders INTO json OPTIONS (path '<tmp>/out') TRIGGER PROCESSING TIME '1 minute' CHECKPOINT '<tmp>/c';
STOP counts;
STOP kept;
SHOW QUERIES;
SHOW QUERIES LIKE 'k*';
