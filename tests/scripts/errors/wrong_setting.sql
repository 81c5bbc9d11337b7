SET spark.sql.shuffle.partitions = many;
