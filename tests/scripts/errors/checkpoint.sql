-- run: --keep-going
CREATE STREAM orders (id BIGINT, status STRING) USING json OPTIONS (path '<tmp>', pathGlobFilter '*.json');
START q AS SELECT status, count(*) FROM STREAM orders GROUP BY status INTO noop OUTPUT MODE update;
CRASH q;
CRASH nobody AFTER SINK;
ALTER QUERY q AS SELECT id, count(*) FROM STREAM orders GROUP BY id;
ALTER QUERY q AS SELECT status FROM STREAM orders;
ALTER QUERY q AS SELECT 1;
START p AS SELECT id FROM STREAM orders INTO noop CHECKPOINT '/dev/null/c';
STOP q;
CRASH q AFTER STATE;
CRASH q AFTER LUNCH;
SET spark.sql.streaming.checkpoint.sync = sometimes;
