WITH recent AS (
  SELECT id, customer, amount, status, ts,
         row_number() OVER (PARTITION BY customer ORDER BY ts DESC) AS newest,
         sum(amount) OVER (PARTITION BY customer ORDER BY ts) AS running,
         avg(amount) OVER w AS mean
  FROM orders
  WHERE status <> 'cancelled' AND amount > 0
  WINDOW w AS (PARTITION BY customer)
),
totals AS (
  SELECT customer,
         count(*) AS n,
         sum(amount) AS total,
         min(amount) AS least,
         max(amount) AS most,
         count_if(status = 'open') AS open,
         collect_list(id) AS ids
  FROM recent
  GROUP BY customer
  HAVING count(*) > 0
),
ranked AS (
  SELECT t.*,
         rank() OVER (ORDER BY total DESC) AS place,
         CASE
           WHEN total > 1000 THEN 'gold'
           WHEN total > 100 THEN 'silver'
           WHEN total > 10 THEN 'bronze'
           ELSE 'none'
         END AS class
  FROM totals AS t
)
SELECT c.name,
       upper(c.city) AS city,
       r.class,
       r.total,
       round(r.total / r.n, 2) AS per_order,
       transform(r.ids, x -> x + 1) AS next_ids,
       coalesce(r.open, 0) AS open,
       date_format(current_timestamp(), 'yyyy-MM-dd') AS day,
       (SELECT max(o.amount) FROM orders o WHERE o.customer = c.id) AS largest
FROM customers AS c
LEFT JOIN ranked AS r ON r.customer = c.id AND r.place BETWEEN 1 AND 100
WHERE c.id IN (SELECT customer FROM recent WHERE newest = 1)
  AND EXISTS (SELECT 1 FROM orders o WHERE o.customer = c.id AND o.amount > 1)
  AND c.name LIKE 'n%'
UNION ALL
SELECT 'all', NULL, NULL, sum(amount), avg(amount), NULL, count(*), NULL, max(amount)
FROM orders
ORDER BY total DESC NULLS LAST, name
LIMIT 10
