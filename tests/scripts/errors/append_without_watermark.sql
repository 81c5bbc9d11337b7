CREATE STREAM r USING rate;
SELECT value % 2 AS even, count(*) AS n FROM STREAM r GROUP BY value % 2 OUTPUT MODE append;
