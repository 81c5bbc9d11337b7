-- A state store that nobody has.
SET spark.sql.streaming.stateStore.providerClass = 'RocksDBStateStoreProvider';
