CREATE STREAM s USING socket OPTIONS (hots 'localhost', port 9999);
