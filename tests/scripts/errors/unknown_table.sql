CREATE TABLE lines AS SELECT 'a' AS value;
SELECT * FROM linse;
