-- Words that come over a socket, counted. In another terminal: nc -lk 9999
-- eddy run samples/wordcount.sql
CREATE STREAM lines USING socket OPTIONS (host 'localhost', port 9999);

SELECT word, count(*) AS n
FROM (SELECT explode(split(value, ' ')) AS word FROM STREAM lines)
GROUP BY word
OUTPUT MODE complete
TRIGGER PROCESSING TIME '1 second';
