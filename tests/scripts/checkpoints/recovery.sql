-- A query that is crashed, resumed and altered while it waits for files.
CREATE STREAM orders (id BIGINT, status STRING) USING json OPTIONS (path '<tmp>', pathGlobFilter '*.json');
START q AS SELECT status, count(*) FROM STREAM orders GROUP BY status
  INTO noop OUTPUT MODE update CHECKPOINT '<tmp>/checkpoint';
CRASH q;
RESUME q;
ALTER QUERY q AS SELECT upper(status), count(*) + 1 FROM STREAM orders WHERE id > 5 GROUP BY status;
STOP q;
START memory AS SELECT status, count(*) FROM STREAM orders GROUP BY status INTO memory OUTPUT MODE complete;
ALTER QUERY memory AS SELECT status, count(*) FROM STREAM orders WHERE id > 5 GROUP BY status;
STOP memory;
