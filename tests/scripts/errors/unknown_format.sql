CREATE STREAM s USING jsn OPTIONS (path 'samples/data/orders');
