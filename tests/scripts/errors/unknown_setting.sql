SET spark.sql.shufle.partitions = 4;
