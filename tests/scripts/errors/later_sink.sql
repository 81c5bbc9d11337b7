CREATE STREAM r USING rate;
SELECT * FROM STREAM r INTO parquet OPTIONS (path '/tmp/x');
