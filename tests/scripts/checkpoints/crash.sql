-- run: --keep-going
-- A query is ended as by a kill after each step, told so, and goes on; its sink has every row once.
CREATE STREAM s (k BIGINT) USING json OPTIONS (path '<tmp>/in');
SELECT -1 AS k INTO json OPTIONS (path '<tmp>/in');
START q AS SELECT k FROM STREAM s INTO json OPTIONS (path '<tmp>/out') CHECKPOINT '<tmp>/c';
-- What it keeps is shown between two batches: after the second answer one more look at its files is over.
SELECT count(*) AS once FROM state('q');
SELECT count(*) AS twice FROM state('q');
CRASH q AFTER OFFSETS;
SELECT id AS k FROM range(0, 3) INTO json OPTIONS (path '<tmp>/in', saveMode 'append');
AWAIT q;
RESUME q;
SELECT count(*) AS once FROM state('q');
SELECT count(*) AS twice FROM state('q');
CRASH q AFTER SINK;
SELECT id AS k FROM range(3, 6) INTO json OPTIONS (path '<tmp>/in', saveMode 'append');
AWAIT q;
RESUME q;
SELECT count(*) AS once FROM state('q');
SELECT count(*) AS twice FROM state('q');
CRASH q AFTER STATE;
SELECT id AS k FROM range(6, 9) INTO json OPTIONS (path '<tmp>/in', saveMode 'append');
AWAIT q;
RESUME q;
SELECT count(*) AS once FROM state('q');
SELECT count(*) AS twice FROM state('q');
CRASH q;
RESUME q;
STOP q;
CREATE TABLE t (k BIGINT) USING json OPTIONS (path '<tmp>/out');
SELECT k, count(*) AS n FROM t GROUP BY k ORDER BY k;
-- Without a checkpoint there is nothing to come back to.
START bare AS SELECT k FROM STREAM s INTO noop;
SELECT count(*) AS once FROM state('bare');
SELECT count(*) AS twice FROM state('bare');
CRASH bare AFTER SINK;
STOP bare;
RESUME bare;
