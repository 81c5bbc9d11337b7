//! SET and RESET: the settings that mean something here, under Spark's names.
//!
//! A setting that Spark has and that means nothing here is accepted with a warning, so that a script written for
//! Spark runs; a name that neither knows is an error with the nearest one.

use crate::checkpoint::storage::local_path;
use crate::diagnostic::{Diagnostic, nearest};
use std::collections::BTreeMap;

/// One setting that has a meaning here.
pub struct Setting {
    /// Spark's name where Spark has the setting.
    pub key: &'static str,
    /// Its value until it is set.
    pub default: &'static str,
    /// What values it takes.
    check: Check,
    /// One line: what it does.
    pub doc: &'static str,
}

/// What values a setting takes.
#[derive(Clone, Copy)]
enum Check {
    Zone,
    Boolean,
    /// Only this value; anything else is refused with the reason.
    Only(&'static str, &'static str),
    /// A directory of this machine, or nothing.
    Directory,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// The class of a state store.
    Provider,
    /// A whole number of at least this.
    AtLeast(i64),
    /// A number greater than zero, or zero too when the flag says so.
    Number {
        zero: bool,
    },
}

const fn setting(key: &'static str, default: &'static str, check: Check, doc: &'static str) -> Setting {
    Setting { key, default, check, doc }
}

/// Spark's class that keeps state in memory: the default.
const IN_MEMORY: &str = "org.apache.spark.sql.execution.streaming.state.HDFSBackedStateStoreProvider";
/// Spark's class that keeps state on disk where it is larger than memory.
const ON_DISK: &str = "org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider";

/// Every setting that means something here.
pub const SETTINGS: &[Setting] = &[
    setting("spark.sql.session.timeZone", "UTC", Check::Zone, "the zone in which timestamps are read and shown"),
    setting("spark.sql.shuffle.partitions", "0", Check::AtLeast(1), "how many partitions a query's state has; by itself one a core"),
    setting(
        "spark.sql.ansi.enabled",
        "true",
        Check::Only("true", "eddy always follows ANSI mode: errors instead of NULLs and wrapped numbers"),
        "errors instead of NULLs and wrapped numbers",
    ),
    setting(
        "spark.sql.caseSensitive",
        "false",
        Check::Only("false", "names always compare without regard to case here"),
        "whether names compare with regard to case",
    ),
    setting(
        "spark.sql.streaming.noDataMicroBatches.enabled",
        "true",
        Check::Boolean,
        "one more batch without data when the watermark moved",
    ),
    setting(
        "spark.sql.streaming.multipleWatermarkPolicy",
        "min",
        Check::OneOf(&["min", "max"]),
        "how the watermarks of several streams become one: the earliest (min) or the latest (max)",
    ),
    setting(
        "spark.sql.streaming.checkpoint.sync",
        "offsets",
        Check::OneOf(&["offsets", "all", "none"]),
        "what a checkpoint waits for: offsets (a power loss loses nothing), all, or none (a kill loses nothing)",
    ),
    setting(
        "spark.sql.streaming.checkpointLocation",
        "",
        Check::Directory,
        "where queries without CHECKPOINT have theirs: a directory of the query's name, or a fresh one; empty: nowhere",
    ),
    setting(
        "spark.sql.streaming.minBatchesToRetain",
        "100",
        Check::AtLeast(1),
        "how many batches a checkpoint keeps what it needs to go back to",
    ),
    setting(
        "spark.sql.streaming.stateStore.minDeltasForSnapshot",
        "10",
        Check::AtLeast(1),
        "after how many changes of a partition a checkpoint merges them",
    ),
    setting(
        "spark.sql.streaming.stateStore.providerClass",
        IN_MEMORY,
        Check::Provider,
        "where state is: in memory (HDFSBackedStateStoreProvider), or also on disk where it is larger (RocksDBStateStoreProvider)",
    ),
    setting(
        "spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB",
        "500",
        Check::AtLeast(0),
        "with RocksDBStateStoreProvider: memory that a query's state takes, the rest is on disk; 0: all but the batch at hand",
    ),
    setting(
        "spark.sql.streaming.stateStore.rocksdb.boundedMemoryUsage",
        "false",
        Check::Boolean,
        "with RocksDBStateStoreProvider: whether maxMemoryUsageMB is for all queries together, and not for each",
    ),
    setting(
        "spark.sql.streaming.numRecentProgressUpdates",
        "100",
        Check::AtLeast(1),
        "how many batches progress('q') and the dashboard remember",
    ),
    setting(
        "spark.streaming.receiver.maxRate",
        "0",
        Check::AtLeast(0),
        "rows a second that a source with backpressure never exceeds; 0: no limit",
    ),
    setting("spark.streaming.backpressure.enabled", "false", Check::Boolean, "limit what a batch takes to what the query keeps up with"),
    setting(
        "spark.streaming.backpressure.initialRate",
        "0",
        Check::AtLeast(0),
        "rows a second before the first batch is measured; 0: no limit",
    ),
    setting("spark.streaming.backpressure.pid.proportional", "1.0", Check::Number { zero: true }, "how strongly the last error counts"),
    setting("spark.streaming.backpressure.pid.integral", "0.2", Check::Number { zero: true }, "how strongly the backlog counts"),
    setting("spark.streaming.backpressure.pid.derived", "0.0", Check::Number { zero: true }, "how strongly the change of the error counts"),
    setting(
        "spark.streaming.backpressure.pid.minRate",
        "100",
        Check::Number { zero: false },
        "rows a second that the limit never goes below",
    ),
];

/// The names that Spark 4.3 lists itself (`SET -v`), one a line.
const SPARK_NAMES: &str = include_str!("spark_settings.txt");

/// Families of settings that belong to Spark's processes, not to a query.
const SPARK_FAMILIES: &[&str] = &[
    "spark.app.",
    "spark.authenticate",
    "spark.broadcast.",
    "spark.cleaner.",
    "spark.cores.",
    "spark.default.",
    "spark.driver.",
    "spark.dynamicAllocation.",
    "spark.eventLog.",
    "spark.executor.",
    "spark.extraListeners",
    "spark.files",
    "spark.hadoop.",
    "spark.io.",
    "spark.jars",
    "spark.kryo",
    "spark.kubernetes.",
    "spark.local.",
    "spark.locality.",
    "spark.log.",
    "spark.master",
    "spark.memory.",
    "spark.metrics.",
    "spark.network.",
    "spark.plugins",
    "spark.port.",
    "spark.python.",
    "spark.pyspark.",
    "spark.rdd.",
    "spark.reducer.",
    "spark.repl.",
    "spark.rpc.",
    "spark.scheduler.",
    "spark.serializer",
    "spark.shuffle.",
    "spark.sql.hive.",
    "spark.sql.catalog.",
    "spark.sql.parquet.",
    "spark.sql.orc.",
    "spark.sql.streaming.",
    "spark.speculation",
    "spark.stage.",
    "spark.storage.",
    "spark.streaming.",
    "spark.submit.",
    "spark.task.",
    "spark.ui.",
    "spark.yarn.",
];

/// The settings of a session.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SettingTable {
    changed: BTreeMap<String, String>,
}

impl SettingTable {
    /// The value of a known setting, or of one that was set without a meaning here.
    pub fn get(&self, key: &str) -> Option<&str> {
        let known = known(key);
        let spelt = known.map_or(key, |s| s.key);
        self.changed.get(spelt).map(String::as_str).or(known.map(|s| s.default))
    }

    /// Sets `key`; gives a warning where the setting means nothing here.
    ///
    /// # Errors
    /// When nobody knows the name, or the value is none that the setting takes.
    pub fn set(&mut self, key: &str, value: &str) -> Result<Option<Diagnostic>, Diagnostic> {
        let value = value.trim();
        if let Some(setting) = known(key) {
            check(setting, value)?;
            self.changed.insert(setting.key.to_string(), value.to_string());
            return Ok(None);
        }
        if !is_sparks(key) {
            return Err(unknown(key));
        }
        self.changed.insert(key.to_string(), value.to_string());
        Ok(Some(Diagnostic::warning(format!("`{key}` means something to Spark but nothing to eddy: it is kept and has no effect"))))
    }

    /// Takes one setting, or all, back to the default.
    ///
    /// # Errors
    /// When nobody knows the name.
    pub fn reset(&mut self, key: Option<&str>) -> Result<(), Diagnostic> {
        let Some(key) = key else {
            self.changed.clear();
            return Ok(());
        };
        match known(key) {
            Some(setting) => self.changed.remove(setting.key),
            None if is_sparks(key) || self.changed.contains_key(key) => self.changed.remove(key),
            None => return Err(unknown(key)),
        };
        Ok(())
    }

    /// What SET lists: name, value, meaning; settings without a meaning here stand at the end.
    pub fn list(&self) -> Vec<(String, String, String)> {
        let known_rows = SETTINGS.iter().map(|s| (s.key.to_string(), self.get(s.key).unwrap_or_default().to_string(), s.doc.to_string()));
        let others = self.changed.iter().filter(|(key, _)| known(key).is_none());
        known_rows.chain(others.map(|(k, v)| (k.clone(), v.clone(), "no effect here".to_string()))).collect()
    }

    /// The session's time zone.
    pub fn zone(&self) -> chrono_tz::Tz {
        self.get("spark.sql.session.timeZone").and_then(parse_zone).unwrap_or(chrono_tz::UTC)
    }

    /// A boolean setting of the table above.
    pub fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|v| v.eq_ignore_ascii_case("true"))
    }

    /// A setting of the table above that counts something.
    pub fn count(&self, key: &str) -> usize {
        self.get(key).and_then(|v| v.parse().ok()).unwrap_or(0)
    }

    /// Whether state that is larger than memory goes to disk.
    pub fn state_on_disk(&self) -> bool {
        self.get("spark.sql.streaming.stateStore.providerClass") == Some(ON_DISK)
    }

    /// A number setting of the table above.
    pub fn number(&self, key: &str) -> f64 {
        self.get(key).and_then(|v| v.parse().ok()).unwrap_or(0.0)
    }
}

/// The error for a name that nobody knows.
pub(super) fn unknown(key: &str) -> Diagnostic {
    let names = || SETTINGS.iter().map(|s| s.key).chain(SPARK_NAMES.lines());
    let error = Diagnostic::error(format!("there is no setting `{key}`"));
    match nearest(key, names()) {
        Some(near) => error.label(format!("did you mean `{near}`?")),
        None => error.note("see: SET lists the settings that mean something here"),
    }
}

fn known(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|s| s.key.eq_ignore_ascii_case(key))
}

fn is_sparks(key: &str) -> bool {
    SPARK_NAMES.lines().any(|n| n.eq_ignore_ascii_case(key)) || {
        // A slip of the pen in a name that matters must not pass as one of a family.
        let slip = nearest(key, SETTINGS.iter().map(|s| s.key)).is_some_and(|near| strsim::damerau_levenshtein(near, key) <= 3);
        !slip && SPARK_FAMILIES.iter().any(|family| key.starts_with(family))
    }
}

fn check(setting: &Setting, value: &str) -> Result<(), Diagnostic> {
    let refuse = |part: &str, why: String| {
        Err(Diagnostic::error(format!("`{}` cannot be '{value}': {why}", setting.key)).condition(format!("INVALID_CONF_VALUE.{part}")))
    };
    match setting.check {
        Check::Zone if parse_zone(value).is_none() => {
            refuse("TIME_ZONE", "it is no time zone; write one like 'Europe/Berlin' or 'UTC'".into())
        }
        Check::Boolean if !is_boolean(value) => refuse("TYPE_MISMATCH", "it is true or false".into()),
        Check::Only(only, reason) if !value.eq_ignore_ascii_case(only) => refuse("REQUIREMENT", reason.to_string()),
        Check::Directory if local_path(value).is_err() => refuse("REQUIREMENT", "it is a directory of this machine's file system".into()),
        Check::OneOf(words) if !words.iter().any(|w| w.eq_ignore_ascii_case(value)) => {
            refuse("REQUIREMENT", format!("it is one of {}", words.join(", ")))
        }
        Check::Provider if ![IN_MEMORY, ON_DISK].contains(&value) => Err(Diagnostic::error(format!("`{value}` is no state store"))
            .condition("STATE_STORE_INVALID_PROVIDER")
            .note(format!("in memory: {IN_MEMORY}"))
            .note(format!("on disk where it is larger: {ON_DISK}"))),
        Check::AtLeast(least) => match value.parse::<i64>() {
            Err(_) => refuse("TYPE_MISMATCH", "it is a whole number".into()),
            Ok(n) if n < least => refuse("REQUIREMENT", format!("it is at least {least}")),
            Ok(_) => Ok(()),
        },
        Check::Number { zero } => match value.parse::<f64>() {
            Ok(n) if n > 0.0 && n.is_finite() || zero && n == 0.0 => Ok(()),
            Ok(_) => refuse("REQUIREMENT", if zero { "it is not negative".into() } else { "it is positive".to_string() }),
            Err(_) => refuse("TYPE_MISMATCH", "it is a number".into()),
        },
        _ => Ok(()),
    }
}

fn is_boolean(value: &str) -> bool {
    value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false")
}

/// A zone by its name in the IANA table, without regard to case; `Z` is UTC.
fn parse_zone(text: &str) -> Option<chrono_tz::Tz> {
    let text = if text.eq_ignore_ascii_case("z") { "UTC" } else { text };
    text.parse().ok().or_else(|| chrono_tz::TZ_VARIANTS.iter().find(|z| z.name().eq_ignore_ascii_case(text)).copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_settings_are_checked_as_spark_checks_them() {
        let mut table = SettingTable::default();
        let condition = |r: Result<Option<Diagnostic>, Diagnostic>| r.expect_err("refused").condition.expect("has one");
        assert_eq!(condition(table.set("spark.sql.shuffle.partitions", "abc")), "INVALID_CONF_VALUE.TYPE_MISMATCH");
        assert_eq!(condition(table.set("spark.sql.shuffle.partitions", "-1")), "INVALID_CONF_VALUE.REQUIREMENT");
        assert_eq!(condition(table.set("spark.sql.session.timeZone", "Nowhere")), "INVALID_CONF_VALUE.TIME_ZONE");
        assert_eq!(condition(table.set("spark.sql.ansi.enabled", "false")), "INVALID_CONF_VALUE.REQUIREMENT");
        assert_eq!(condition(table.set("spark.sql.streaming.checkpointLocation", "s3://a/b")), "INVALID_CONF_VALUE.REQUIREMENT");
        assert_eq!(table.set("SPARK.SQL.SESSION.TIMEZONE", "europe/berlin"), Ok(None));
        assert_eq!(table.zone(), chrono_tz::Europe::Berlin);
        table.reset(None).expect("all");
        assert_eq!(table.zone(), chrono_tz::UTC);
    }

    #[test]
    fn sparks_other_settings_warn_and_slips_are_errors() {
        let mut table = SettingTable::default();
        assert!(table.set("spark.sql.adaptive.enabled", "true").expect("accepted").is_some());
        assert!(table.set("spark.executor.memory", "2g").expect("accepted").is_some());
        let slip = table.set("spark.sql.shufle.partitions", "4").expect_err("refused");
        assert_eq!(slip.label.as_deref(), Some("did you mean `spark.sql.shuffle.partitions`?"));
        assert!(table.set("spark.streaming.backpresure.enabled", "true").is_err());
        assert!(table.set("nonsense", "1").is_err());
    }

    #[test]
    fn every_default_passes_its_own_check() {
        for setting in SETTINGS.iter().filter(|s| s.key != "spark.sql.shuffle.partitions") {
            assert!(check(setting, setting.default).is_ok(), "{}", setting.key);
        }
    }
}
