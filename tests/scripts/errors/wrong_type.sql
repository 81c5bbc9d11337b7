SELECT 'a' + 1 AS n, array(1) + 1;
