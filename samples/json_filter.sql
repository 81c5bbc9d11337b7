-- Lines of JSON in a log, the slow and the failed ones picked out; what is no JSON is left behind.
-- eddy run samples/json_filter.sql
CREATE STREAM log USING text OPTIONS (path 'samples/data/events');

FROM STREAM log
|> EXTEND from_json(value, 'level STRING, service STRING, ms INT, user STRUCT<id: INT, name: STRING>') AS e
|> WHERE e.level = 'error' OR e.ms > 250
|> SELECT e.service, e.level, e.ms, coalesce(e.user.name, 'nobody') AS user,
          get_json_object(value, '$.user.id') AS user_id
OUTPUT MODE append
TRIGGER AVAILABLE NOW;
