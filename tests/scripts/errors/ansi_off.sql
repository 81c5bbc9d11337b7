SET spark.sql.ansi.enabled = false;
