SELECT wrod, count(*) AS n FROM
  (SELECT explode(split('a b', ' ')) AS word) GROUP BY word;
