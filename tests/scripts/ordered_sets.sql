-- Aggregates over an order of their own, named arguments; answers as Spark 4.3 gives them.
SELECT percentile_cont(0.25) WITHIN GROUP (ORDER BY col) FROM VALUES (0), (10) AS tab(col);
SELECT percentile_cont(0.25) WITHIN GROUP (ORDER BY col DESC) FROM VALUES (0), (10) AS tab(col);
SELECT string_agg(col) WITHIN GROUP (ORDER BY col DESC) FROM VALUES ('a'), ('b'), ('c') AS tab(col);
SELECT listagg(col, ',') WITHIN GROUP (ORDER BY col) FROM VALUES ('b'), ('a'), (NULL) AS tab(col);
SELECT mode() WITHIN GROUP (ORDER BY col) FROM VALUES (0), (10), (10) AS tab(col);
SELECT mask(str => 'AbCD123', lowerChar => 'q'), mask('AbCD123', digitChar => '#');
SELECT a, b, rank(b) OVER (PARTITION BY a ORDER BY b) FROM VALUES ('A1', 2), ('A1', 1), ('A2', 3), ('A1', 1) tab(a, b);
