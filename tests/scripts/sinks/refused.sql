-- run: --keep-going
-- What sinks of files refuse, and where.
CREATE STREAM r USING rate;
CREATE TABLE t AS SELECT 1 AS a, array(1) AS b, make_interval(1) AS c;
SELECT value % 2 AS p, count(*) AS n FROM STREAM r GROUP BY value % 2 INTO parquet OPTIONS (path '/nowhere/x');
SELECT value FROM STREAM r INTO csv OPTIONS (path '/nowhere/x') OUTPUT MODE UPDATE;
SELECT value FROM STREAM r INTO csv OPTIONS (path '/nowhere/x') PARTITIONED BY (valeu);
SELECT value FROM STREAM r INTO csv OPTIONS (path '/nowhere/x') PARTITIONED BY (value);
SELECT value FROM STREAM r INTO console PARTITIONED BY (value);
SELECT value FROM STREAM r INTO csv OPTIONS (path '/nowhere/x', compression 'snapy');
SELECT value FROM STREAM r INTO csv OPTIONS (path '/nowhere/x', ignoreNullFields 'true');
SELECT value FROM STREAM r INTO csv OPTIONS (path '/nowhere/x', quote 'ab');
SELECT value FROM STREAM r INTO json OPTIONS (path '/nowhere/x', lineSep '');
SELECT value FROM STREAM r INTO text OPTIONS (path '/nowhere/x');
SELECT value, timestamp FROM STREAM r INTO text OPTIONS (path '/nowhere/x');
SELECT a, b FROM t INTO csv OPTIONS (path '/nowhere/x');
SELECT a, c FROM t INTO parquet OPTIONS (path '/nowhere/x');
SELECT value FROM STREAM r INTO parquet;
SELECT value FROM STREAM r INTO parquet OPTIONS (path '/nowhere/x', saveMode 'overwrite');
