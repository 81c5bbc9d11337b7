CREATE STREAM s (a INT, A STRING) USING json OPTIONS (path 'samples/data/orders');
