-- run: --format ndjson
-- Statements that run and that a learner would want to know something about.
CREATE VIEW t AS SELECT 1 AS id, '7' AS name, CAST(1.5 AS DOUBLE) AS v;
SELECT id FROM t WHERE id = NULL;
SELECT id FROM t WHERE id <> NULL;
SELECT id FROM t WHERE id > 5 AND id < 3;
SELECT id FROM t WHERE id >= 3 AND id <= 3;
SELECT id FROM t WHERE 1 = 2 AND id = 1;
SELECT id FROM t WHERE id = 1 AND NULL;
SELECT id FROM t WHERE name > 5;
SELECT CASE WHEN id > 1 THEN 'a' WHEN true THEN 'b' WHEN id > 1 THEN 'c' ELSE 'd' END AS c FROM t;
SELECT name LIKE 'ab' AS m FROM t;
SELECT upper(name) AS name, count(*) AS n FROM t GROUP BY name;
CREATE STREAM a USING rate OPTIONS (rowsPerSecond 1);
SELECT value FROM STREAM a WATERMARK timestamp DELAY OF INTERVAL 10 SECONDS LIMIT 3 INTO noop TRIGGER ONCE;
