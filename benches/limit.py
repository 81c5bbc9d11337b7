"""The same work as one batch in polars on two threads: prints the seconds. Usage: limit.py DIR SHAPE"""
import os
import sys
import time

os.environ["POLARS_MAX_THREADS"] = "2"
import polars as pl

root, name = sys.argv[1:3]
c = pl.col
EVENTS = {"timestamp": pl.String, "user_id": pl.Int32, "action": pl.String, "value": pl.Float64}
ADDRESS = pl.Struct({"city": pl.String, "zip": pl.Int32})
NESTED = {"id": pl.Int64, "user": pl.Struct({"name": pl.String, "address": ADDRESS}), "tags": pl.List(pl.String)}
WIDE = {"c%02d" % i: pl.String if i == 3 else pl.Int32 for i in range(30)}


def events():
    stamp = c("timestamp").str.to_datetime("%Y-%m-%dT%H:%M:%S%.3fZ")
    return pl.scan_ndjson(f"{root}/events/*.json", schema=EVENTS).with_columns(stamp)


def nested():
    return pl.scan_ndjson(f"{root}/nested/*.json", schema=NESTED)


def lines(folder, suffix):
    pattern = f"{root}/{folder}/*.{suffix}"
    if hasattr(pl, "scan_lines"):
        return pl.scan_lines(pattern, name="value")
    return pl.scan_csv(pattern, has_header=False, separator="\x01", new_columns=["value"], quote_char=None)


city = c("user").struct.field("address").struct.field("city")
SHAPES = {
    "filter": lambda: events().filter(c("value") > 100).select("user_id", "action", v2=c("value") * 2, a2=c("action").str.to_uppercase()),
    "words": lambda: lines("text", "txt").select(c("value").str.split(" ").alias("word")).explode("word").group_by("word").len(),
    "keys": lambda: events().group_by("user_id").agg(pl.len(), c("value").sum(), c("timestamp").max()),
    "several_keys": lambda: events().group_by("action", c("user_id") % 100).agg(pl.len(), c("value").mean()),
    "decimals": lambda: events().group_by("action").agg(c("value").cast(pl.Decimal(10, 2)).sum()),
    "like": lambda: events().filter(c("action").str.contains("ar", literal=True)).select(pl.len()),
    "dates": lambda: events().group_by(c("timestamp").dt.truncate("1m").alias("m")).agg(pl.len(), c("timestamp").dt.hour().max()),
    "strings": lambda: events().select(tag=pl.concat_str(c("action").str.slice(0, 3), pl.lit("-"), c("user_id").cast(pl.String)), n=c("action").str.len_chars(), l=c("action").str.to_lowercase()),
    "statistics": lambda: events().select(pl.len(), c("value").min().alias("lo"), c("value").max().alias("hi"), c("value").mean().alias("mean"), c("value").std().alias("sd")),
    "case_when": lambda: events().group_by("action").agg(pl.when(c("value") > 150).then(1).when(c("value") > 50).then(2).otherwise(0).sum()),
    "from_json": lambda: lines("events", "json").select(c("value").str.json_decode(pl.Struct({"action": pl.String, "value": pl.Float64})).alias("e")).unnest("e").group_by("action").agg(c("value").sum()),
    "nested": lambda: nested().filter(c("user").struct.field("name") != "n7").group_by(city.alias("city")).agg(pl.len(), c("user").struct.field("address").struct.field("zip").max()),
    "explode": lambda: nested().select("tags").explode("tags").group_by("tags").len(),
    "wide": lambda: pl.scan_ndjson(f"{root}/wide/*.json", schema=WIDE).filter(c("c29") > 500).group_by("c03").agg(c("c17").sum(), pl.len()),
}
started = time.time()
SHAPES[name]().collect()
print(round(time.time() - started, 4))
