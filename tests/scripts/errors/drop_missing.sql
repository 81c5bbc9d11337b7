CREATE TABLE customers AS SELECT 1 AS a;
DROP TABLE custmers;
