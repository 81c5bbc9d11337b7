-- Records that do not decode are counted and kept with their place and reason.
CREATE STREAM orders (id INT, amount DOUBLE) USING json OPTIONS (path 'tests/scripts/data/bad');
START bad AS SELECT * FROM STREAM orders INTO memory TRIGGER AVAILABLE NOW;
AWAIT bad;
SELECT * FROM bad ORDER BY id NULLS FIRST, amount;
SELECT source, offset, line, reason, batchId, time IS NOT NULL AS timed FROM bad_rows('bad');
SELECT batchId, sources[0].numBadRows AS bad, numInputRows FROM progress('bad');
SELECT count(*) AS n FROM bad_rows('BAD') WHERE reason LIKE 'the value of id%';
CREATE OR REPLACE STREAM orders (id INT, amount DOUBLE) USING json OPTIONS (path 'tests/scripts/data/bad', mode 'FAILFAST');
SELECT * FROM STREAM orders TRIGGER AVAILABLE NOW;
