"""The expressions of functions.rs in polars on one thread: prints a name and the best seconds a line."""
import os
import time

os.environ["POLARS_MAX_THREADS"] = "1"
import polars as pl

ROWS = 1_000_000
RUNS = 9
WORDS = ["alpha bravo", "beta carbon", " gamma delta ", "Delta Omega", "bear market"]
c = pl.col
scrambled = [i * 7919 % 1_000_003 for i in range(ROWS)]
frame = pl.DataFrame({
    "s": [WORDS[k % 5] + str(i % 17) for i, k in enumerate(scrambled)],
    "n": [str(k) for k in scrambled],
    "i": pl.Series(scrambled, dtype=pl.Int32),
    "j": pl.Series([None if i % 10 == 3 else i for i in range(ROWS)], dtype=pl.Int32),
    "l": pl.Series([k * 1_000_003 for k in scrambled], dtype=pl.Int64),
    "d": [k / 7 for k in scrambled],
    "e": [None if i % 10 == 3 else i / 3 for i in range(ROWS)],
    "t": pl.Series([1_600_000_000_000_000 + k * 61_000_000 for k in scrambled], dtype=pl.Datetime("us", "UTC")),
    "a": pl.Series([k % 20_000 for k in scrambled], dtype=pl.Int32).cast(pl.Date),
}).with_columns(iso=c("t").dt.strftime("%Y-%m-%d %H:%M:%S"))

EXPRESSIONS = {
    "upper": c("s").str.to_uppercase(),
    "lower": c("s").str.to_lowercase(),
    "length": c("s").str.len_chars(),
    "substring": c("s").str.slice(1, 4),
    "trim": c("s").str.strip_chars(" "),
    "concat": pl.concat_str(c("s"), pl.lit("-"), c("n")),
    "split": c("s").str.split(" "),
    "replace": c("s").str.replace_all("a", "oo", literal=True),
    "like": c("s").str.contains("ar", literal=True),
    "startswith": c("s").str.starts_with("be"),
    "regexp_extract": c("s").str.extract("([a-z]+) ([a-z]+)", 2),
    "string_to_int": c("n").cast(pl.Int32),
    "int_to_string": c("i").cast(pl.String),
    "int_to_double": c("i").cast(pl.Float64),
    "plus_one": c("i") + 1,
    "add": c("i") + c("j"),
    "subtract": c("l") - c("i"),
    "multiply": c("d") * c("e"),
    "divide": c("d") / 3.5,
    "modulo": c("i") % 7,
    "round": c("d").round(2),
    "abs": c("d").abs(),
    "floor": c("d").floor().cast(pl.Int64),
    "sqrt": c("d").abs().sqrt(),
    "compare": c("i") > 500000,
    "case": pl.when(c("i") > 500000).then(1).otherwise(0),
    "coalesce": pl.coalesce("j", "i"),
    "year": c("t").dt.year(),
    "month": c("a").dt.month(),
    "hour": c("t").dt.hour(),
    "date_trunc": c("t").dt.truncate("1h"),
    "date_add": c("a").dt.offset_by("7d"),
    "to_date": c("iso").str.slice(0, 10).str.to_date("%Y-%m-%d"),
    "to_timestamp": c("iso").str.to_datetime("%Y-%m-%d %H:%M:%S"),
}
for name, expression in EXPRESSIONS.items():
    best = float("inf")
    for _ in range(RUNS):
        started = time.perf_counter()
        frame.select(expression)
        best = min(best, time.perf_counter() - started)
    print(name, best)
