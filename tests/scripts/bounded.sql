-- Queries without a stream run once.
SELECT 1 AS one, 'text' AS s, NULL AS nothing, 1.50 AS d, true AS b;
SELECT * FROM VALUES (1, 'a'), (2, 'b') AS t(id, name) ORDER BY id DESC;
SELECT id FROM VALUES (1), (2) AS t(id) WHERE id > 5;
WITH t AS (SELECT explode(split('the quick brown fox the end', ' ')) AS word)
SELECT word, count(*) AS n FROM t GROUP BY word ORDER BY n DESC, word LIMIT 3;
FROM VALUES (1, 2.5), (2, 3.5) AS t(k, v) |> AGGREGATE sum(v) AS total |> EXTEND total * 2 AS twice;
SELECT X'616263' AS bytes, array(1, NULL) AS a, map('k', 1) AS m, named_struct('x', 1, 'y', 'z') AS s;
SELECT TIMESTAMP '2024-01-01 10:00:00' AS t, DATE '2024-01-01' AS d, INTERVAL '5' MINUTE AS i;
