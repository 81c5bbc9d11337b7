CREATE STREAM s USING kinesis OPTIONS (streamName 'x');
