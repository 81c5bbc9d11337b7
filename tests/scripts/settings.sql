-- SET and RESET.
SET spark.sql.session.timeZone = 'Europe/Berlin';
SET spark.sql.session.timeZone;
SELECT TIMESTAMP '2024-07-01 12:00:00Z' AS noon;
RESET spark.sql.session.timeZone;
SELECT TIMESTAMP '2024-07-01 12:00:00Z' AS noon;
SET spark.sql.shuffle.partitions = 4;
SET spark.sql.shuffle.partitions;
SET spark.sql.adaptive.enabled = true;
SET spark.sql.streaming.stateStore.providerClass = 'org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider';
SET spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB;
SHOW FUNCTIONS LIKE 'upp*|low*';
DESCRIBE FUNCTION EXTENDED upper;
