-- run: --keep-going
-- Where a checkpoint may be, and who must not read what.
SELECT id AS k FROM range(4) INTO json OPTIONS (path '<tmp>/in');
CREATE STREAM s (k BIGINT) USING json OPTIONS (path '<tmp>/in');
SELECT k FROM STREAM s INTO noop TRIGGER AVAILABLE NOW CHECKPOINT '';
SELECT k FROM STREAM s INTO noop TRIGGER AVAILABLE NOW CHECKPOINT 's3://bucket/x';
SELECT k FROM STREAM s INTO csv OPTIONS (path '<tmp>/out', checkpointLocation '<tmp>/c') TRIGGER AVAILABLE NOW;
-- A query that would read its own output, or its own checkpoint.
SELECT k FROM STREAM s INTO json OPTIONS (path '<tmp>/x/../in/');
SELECT k, k % 2 AS p FROM STREAM s INTO json OPTIONS (path '<tmp>/in') PARTITIONED BY (p);
SELECT k FROM STREAM s INTO noop CHECKPOINT '<tmp>/in';
CREATE STREAM below (k BIGINT) USING json OPTIONS (path '<tmp>/*', recursiveFileLookup true, pathGlobFilter '*.json');
SELECT k FROM STREAM below INTO json OPTIONS (path '<tmp>/in/deeper');
SELECT k FROM STREAM below INTO csv OPTIONS (path '<tmp>/in/deeper') TRIGGER AVAILABLE NOW CHECKPOINT '<tmp>/c1';
-- A checkpoint among the rows.
SELECT k FROM STREAM s INTO csv OPTIONS (path '<tmp>/out') TRIGGER AVAILABLE NOW CHECKPOINT '<tmp>/./out';
SELECT k FROM STREAM s INTO csv OPTIONS (path '<tmp>/c/out') TRIGGER AVAILABLE NOW CHECKPOINT '<tmp>/c';
SELECT k FROM STREAM s INTO csv OPTIONS (path '<tmp>/out') TRIGGER AVAILABLE NOW CHECKPOINT '<tmp>/out/c';
SELECT k FROM STREAM s INTO csv OPTIONS (path '<tmp>/out') TRIGGER AVAILABLE NOW CHECKPOINT '<tmp>/out/_c';
-- The same files by another spelling are the same files.
CREATE OR REPLACE STREAM s (k BIGINT) USING json OPTIONS (path 'file:<tmp>/./in//');
SELECT k FROM STREAM s INTO csv OPTIONS (path '<tmp>/out') TRIGGER AVAILABLE NOW CHECKPOINT '<tmp>/out/_c';
CREATE OR REPLACE STREAM s (k BIGINT) USING json OPTIONS (path '<tmp>/out/../i[n]/*.json');
SELECT k FROM STREAM s INTO csv OPTIONS (path '<tmp>/out') TRIGGER AVAILABLE NOW CHECKPOINT '<tmp>/out/_c';
CREATE TABLE t (k BIGINT) USING csv OPTIONS (path '<tmp>/out');
SELECT count(*), count(DISTINCT k) FROM t;
