-- run: --keep-going
SELECT 1 AS a;
SELECT
  nope;
SELECT 3 AS a;
