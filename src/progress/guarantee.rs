//! What a restart means for a query's rows: a pure function of sources × checkpoint × sink × what is synced.
//!
//! A chain is as strong as its weakest link, and the sentence names that link and what would mend it.

use std::fmt;

/// How often each row has its effect when the query is killed and started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Rows may be lost, and none comes twice.
    AtMostOnce,
    /// No row is lost, and some may come twice.
    AtLeastOnce,
    /// No row is lost, and none comes twice.
    ExactlyOnce,
}

impl Level {
    /// `exactly-once`
    pub fn name(self) -> &'static str {
        match self {
            Level::AtMostOnce => "at-most-once",
            Level::AtLeastOnce => "at-least-once",
            Level::ExactlyOnce => "exactly-once",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a source gives the same rows once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Repeats {
    /// From any place in them: files, generators.
    Always,
    /// What it received, from its write-ahead log: a socket with `wal`.
    FromLog,
    /// Never: what was read from a socket is gone.
    NeverSocket,
    /// Never: standard input is read once.
    NeverInput,
}

/// What a sink makes of a batch that is written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Writes {
    /// Its files, in place of those of the first time.
    Files,
    /// More lines on standard output or on the screen.
    Lines,
    /// Rows of a table that ends with the session.
    Memory,
    /// Nothing at all.
    Nothing,
}

/// What the guarantee follows from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts<'a> {
    /// The streams by name.
    pub sources: &'a [(String, Repeats)],
    /// Whether there is a CHECKPOINT.
    pub checkpoint: bool,
    /// Whether anything is synced: else a power loss may undo what a kill cannot.
    pub syncs: bool,
    /// The sink.
    pub sink: Writes,
    /// Whether every batch brings the whole result (complete mode).
    pub whole_result: bool,
}

/// The level and its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guarantee {
    /// How often a row counts.
    pub level: Level,
    /// Which link is the weakest, and what mends it; without the level's name.
    pub reason: String,
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.level, self.reason)
    }
}

/// Derives the guarantee.
pub fn guarantee(facts: &Facts<'_>) -> Guarantee {
    let links = [source_link(facts), checkpoint_link(facts), sink_link(facts)];
    // Of links that are equally weak, the one nearest to the source is named: mending another first would not show.
    let weakest = links.into_iter().flatten().min_by_key(|(level, _)| *level);
    let (level, mut reason) = weakest.unwrap_or_else(|| (Level::ExactlyOnce, strong(facts)));
    if level == Level::ExactlyOnce && !facts.syncs {
        reason.push_str("; nothing is synced, so that a power loss may undo the last batches (spark.sql.streaming.checkpoint.sync)");
    }
    Guarantee { level, reason }
}

type Link = Option<(Level, String)>;

/// What the sources cannot do.
fn source_link(facts: &Facts<'_>) -> Link {
    let mends = match (facts.sink, facts.checkpoint) {
        (Writes::Files | Writes::Nothing, true) => "OPTIONS (wal 'true') makes it exactly-once",
        (Writes::Files | Writes::Nothing, false) => "OPTIONS (wal 'true') and a CHECKPOINT make it exactly-once",
        (Writes::Memory, _) if facts.whole_result => "OPTIONS (wal 'true') and a CHECKPOINT make it exactly-once",
        (Writes::Memory, _) => "OPTIONS (wal 'true'), a CHECKPOINT and a sink of files make it exactly-once",
        (Writes::Lines, true) => "OPTIONS (wal 'true') makes it at-least-once, with a sink of files exactly-once",
        (Writes::Lines, false) => "OPTIONS (wal 'true') and a CHECKPOINT make it at-least-once, with a sink of files exactly-once",
    };
    facts.sources.iter().find_map(|(stream, repeats)| match repeats {
        Repeats::NeverSocket => Some((Level::AtMostOnce, format!("the socket of {stream} cannot repeat lines; {mends}"))),
        Repeats::NeverInput => {
            Some((Level::AtMostOnce, format!("standard input ({stream}) is read once; a file in its place can be read again")))
        }
        Repeats::FromLog if !facts.checkpoint => {
            Some((Level::AtMostOnce, format!("the write-ahead log of {stream} needs a place; a CHECKPOINT gives it one")))
        }
        Repeats::Always | Repeats::FromLog => None,
    })
}

/// What is missing without a checkpoint: a restart begins at the beginning, and its rows come beside those of before.
fn checkpoint_link(facts: &Facts<'_>) -> Link {
    if facts.checkpoint {
        return None;
    }
    let mends = match facts.sink {
        Writes::Files | Writes::Nothing => "a CHECKPOINT makes it exactly-once",
        Writes::Memory | Writes::Lines => "a CHECKPOINT lets it go on where it stood",
    };
    Some((Level::AtLeastOnce, format!("without a CHECKPOINT a restart reads everything again; {mends}")))
}

/// What the sink cannot do.
fn sink_link(facts: &Facts<'_>) -> Link {
    match facts.sink {
        Writes::Lines => {
            Some((Level::AtLeastOnce, "a batch that runs again is printed again; a sink of files would replace it".to_string()))
        }
        // Without a checkpoint the table is filled again from the start, with a whole result by the next batch.
        Writes::Memory if facts.checkpoint && !facts.whole_result => Some((
            Level::AtMostOnce,
            "the table is in memory, and what committed batches put there is gone after a restart; a sink of files keeps it".to_string(),
        )),
        Writes::Memory | Writes::Files | Writes::Nothing => None,
    }
}

fn strong(facts: &Facts<'_>) -> String {
    let source = match facts.sources.iter().any(|(_, repeats)| *repeats == Repeats::FromLog) {
        true => "lines are replayed from the write-ahead log",
        false => "the same rows are read again",
    };
    let sink = match facts.sink {
        Writes::Files => "a batch that runs again replaces its files",
        Writes::Memory => "the next batch brings the whole result again",
        Writes::Lines | Writes::Nothing => "nothing is written that could be doubled",
    };
    format!("{source}, the checkpoint holds their place, and {sink}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(repeats: Repeats, checkpoint: bool, sink: Writes, whole_result: bool) -> Level {
        let sources = [("s".to_string(), repeats)];
        guarantee(&Facts { sources: &sources, checkpoint, syncs: true, sink, whole_result }).level
    }

    #[test]
    fn every_combination_has_its_level() {
        use Level::{AtLeastOnce as L, AtMostOnce as M, ExactlyOnce as E};
        use Repeats as R;
        use Writes as W;
        // Columns: files, lines, memory, memory with the whole result, nothing.
        let table = [
            (R::Always, true, [E, L, M, E, E]),
            (R::Always, false, [L, L, L, L, L]),
            (R::FromLog, true, [E, L, M, E, E]),
            (R::FromLog, false, [M, M, M, M, M]),
            (R::NeverSocket, true, [M, M, M, M, M]),
            (R::NeverSocket, false, [M, M, M, M, M]),
            (R::NeverInput, true, [M, M, M, M, M]),
            (R::NeverInput, false, [M, M, M, M, M]),
        ];
        for (repeats, checkpoint, levels) in table {
            let sinks = [(W::Files, false), (W::Lines, false), (W::Memory, false), (W::Memory, true), (W::Nothing, false)];
            for ((sink, whole), expected) in sinks.into_iter().zip(levels) {
                assert_eq!(level(repeats, checkpoint, sink, whole), expected, "{repeats:?} {checkpoint} {sink:?} {whole}");
            }
        }
    }

    #[test]
    fn the_weakest_link_is_named_with_what_mends_it() {
        let say = |sources: &[(&str, Repeats)], checkpoint, syncs, sink| {
            let sources: Vec<(String, Repeats)> = sources.iter().map(|(s, r)| ((*s).to_string(), *r)).collect();
            guarantee(&Facts { sources: &sources, checkpoint, syncs, sink, whole_result: false }).to_string()
        };
        let files = ("f", Repeats::Always);
        assert_eq!(
            say(&[files, ("lines", Repeats::NeverSocket)], false, true, Writes::Files),
            "at-most-once: the socket of lines cannot repeat lines; OPTIONS (wal 'true') and a CHECKPOINT make it exactly-once"
        );
        assert_eq!(
            say(&[files], false, true, Writes::Files),
            "at-least-once: without a CHECKPOINT a restart reads everything again; a CHECKPOINT makes it exactly-once"
        );
        assert_eq!(
            say(&[files], true, true, Writes::Lines),
            "at-least-once: a batch that runs again is printed again; a sink of files would replace it"
        );
        assert_eq!(
            say(&[files, ("s", Repeats::FromLog)], true, true, Writes::Files),
            "exactly-once: lines are replayed from the write-ahead log, the checkpoint holds their place, \
             and a batch that runs again replaces its files"
        );
        assert!(say(&[files], true, false, Writes::Files).contains("a power loss may undo"));
        assert!(!say(&[files], true, false, Writes::Lines).contains("power"));
    }
}
