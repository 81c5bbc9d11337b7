//! `.help` and its topics: short, each with an example that runs.

/// One topic.
pub(super) struct Topic {
    /// As `.help name` asks for it.
    pub(super) name: &'static str,
    /// One line for the list.
    title: &'static str,
    /// The text.
    text: &'static str,
}

/// Every topic in the order of the list.
pub(super) const TOPICS: &[Topic] = &[
    Topic {
        name: "start",
        title: "from nothing to a running count",
        text: "\
In another terminal:            nc -lk 9999        (and type words)
Here:
  CREATE STREAM lines USING socket OPTIONS (host 'localhost', port 9999);
  SELECT word, count(*) AS n FROM (SELECT explode(split(value, ' ')) AS word FROM STREAM lines)
    GROUP BY word OUTPUT MODE complete TRIGGER PROCESSING TIME '2 seconds';
The dashboard opens; q comes back here. Without nc: `eddy demo` in a shell.",
    },
    Topic {
        name: "queries",
        title: "previews, started queries, looking after them",
        text: "\
A streaming query without a name is a preview: it runs in front of you and ends when you leave it.
  START counts AS SELECT value, count(*) AS n FROM STREAM lines GROUP BY value;
runs on while you type. SHOW QUERIES; DESCRIBE QUERY counts; PAUSE counts; RESUME counts; STOP counts;
.dash counts opens its dashboard. What they do is a table as well:
  SELECT name, state, batches, why FROM queries();
  SELECT batchId, numInputRows, durationMs.triggerExecution FROM progress('counts');",
    },
    Topic {
        name: "output mode",
        title: "append, update, complete: which rows a batch writes",
        text: "\
append    rows that will never change. An aggregate needs a watermark for that: its groups come out closed.
update    the rows that changed in this batch.
complete  the whole result, every batch; only with an aggregate. The one mode with ORDER BY.
Without OUTPUT MODE the first that can be is taken, and the prompt says which.
  SELECT value, count(*) AS n FROM STREAM lines GROUP BY value ORDER BY n DESC OUTPUT MODE complete;",
    },
    Topic {
        name: "watermark",
        title: "event time, late rows, when a window closes",
        text: "\
  SELECT window.start, count(*) AS n
    FROM STREAM events WATERMARK ts DELAY OF INTERVAL 10 SECONDS
    GROUP BY window(ts, '1 minute') OUTPUT MODE append;
The watermark is the newest event time of earlier batches, less the delay. A window whose end it has
passed is written once (append) and forgotten; a row that comes later still is dropped, counted and kept:
  SELECT * FROM late_rows('q');      which rows, the watermark then, the windows they missed
  SELECT * FROM state('q');          the windows and groups that are open, and when each goes
Try it with   CREATE STREAM events (ts TIMESTAMP, v INT) USING json OPTIONS (path 'some/directory');",
    },
    Topic {
        name: "trigger",
        title: "when batches run",
        text: "\
(none)                               as soon as the last batch is done and data is there
TRIGGER PROCESSING TIME '2 seconds'  on a grid of two seconds; a late batch starts at once
TRIGGER AVAILABLE NOW                all that is there, in batches of the source's limits, then the query ends
TRIGGER ONCE                         all that is there in one batch, then it ends
  SELECT * FROM STREAM lines TRIGGER PROCESSING TIME '2 seconds';",
    },
    Topic {
        name: "backpressure",
        title: "what happens when data comes faster than the query",
        text: "\
Between a socket and its queries stands a buffer with a limit of rows and bytes. When it is full the socket is
not read, TCP holds the sender back, and nothing is lost. The flow panel (3) of the dashboard shows the buffer
and names the slow step.
  SET spark.streaming.backpressure.enabled = true;
limits each batch to what the query was seen to keep up with, so that batches stay short.",
    },
    Topic {
        name: "sources",
        title: "what CREATE STREAM … USING reads",
        text: "\
socket   CREATE STREAM lines USING socket OPTIONS (host 'localhost', port 9999);
         with columns: CREATE STREAM t (id INT, name STRING) USING socket OPTIONS (port 9999, format 'json');
         wal 'true' keeps lines for a restart (.help guarantee)
json csv text parquet   files of a directory as they come; without columns the schema is inferred
         CREATE STREAM orders USING json OPTIONS (path 'samples/data/orders', maxFilesPerTrigger 1);
rate     numbers by themselves, to try things out
         CREATE STREAM ticks USING rate OPTIONS (rowsPerSecond 10);
stdin    lines of standard input (eddy run FILE and eddy -c)
         format 'csv' takes header true: cat users.csv | eddy -c '…'
Files may be compressed (.gz .bz2 .zst …) and lie in partition directories: day=2024-01-01/x.json gives a column day.
What are the columns?  INFER SCHEMA FROM lines;  prints the statement to paste.
Lines that do not decode are rows of NULLs (option mode), and  SELECT * FROM bad_rows('q');  has them with the reason.
Bounded tables for joins:  CREATE TABLE users USING csv OPTIONS (path 'users.csv', header true);",
    },
    Topic {
        name: "sinks",
        title: "where INTO sends rows",
        text: "\
console  tables on this terminal; OPTIONS (truncate false, numRows 50, vertical true)
memory   a table of the query's name:
           START counts AS SELECT value, count(*) AS n FROM STREAM lines GROUP BY value INTO memory;
           SELECT * FROM counts ORDER BY n DESC;
parquet csv json text   a directory that gets each batch's rows as files, in append mode:
           START kept AS SELECT * FROM STREAM lines INTO parquet OPTIONS (path 'out') CHECKPOINT 'out/_checkpoint';
         PARTITIONED BY (country) behind the options makes a directory for each value
         a file is there whole or not at all, and a batch that runs again replaces its own
         OPTIONS: compression, maxRecordsPerFile, header, sep, nullValue, dateFormat, timestampFormat …
         fewer batches make fewer files (.help trigger), and a query over tables only writes its result once
noop     computes every row and writes none
Without INTO a preview opens the dashboard, and a started query keeps its last batches for .dash.",
    },
    Topic {
        name: "guarantee",
        title: "what a restart means: lost, doubled, or neither",
        text: "\
at-most-once    rows may be lost, none comes twice
at-least-once   none is lost, some may come twice
exactly-once    neither
It follows from the source (can it give the rows again?), the CHECKPOINT (does it know where it stood?) and the
sink (does a batch that runs again replace itself?). EXPLAIN and SHOW QUERIES name the weakest.
A socket cannot repeat lines. OPTIONS (wal 'true') keeps them in the CHECKPOINT of the query before they count
as received, and a restart replays them. What the sender pushed and nobody received yet is its own to repeat.",
    },
    Topic {
        name: "checkpoint",
        title: "CHECKPOINT, and what a restart does",
        text: "\
With a checkpoint a query goes on where it stood, also after a kill:

  START kept AS SELECT id, status FROM STREAM orders
    INTO parquet OPTIONS (path 'out') CHECKPOINT 'out/_checkpoint';

The directory has the ranges that were read (offsets), the batches that are done (commits) and the state. A batch that
was begun and not done runs again over the same range; the sink replaces it. One query has the directory at a time.
A changed query is taken on when its state fits; otherwise the refusal names the operator and the key or type.
How far writes are waited for:  SET spark.sql.streaming.checkpoint.sync = offsets;  (the default), all or none.
SET spark.sql.streaming.checkpointLocation = 'dir';  gives every query one: a directory of its name, or a fresh one.
To see a recovery:  CRASH kept AFTER SINK;  and then  RESUME kept;
To change a running query:  ALTER QUERY kept AS SELECT id, upper(status) AS status FROM STREAM orders;",
    },
    Topic {
        name: "state",
        title: "what a query remembers, and state larger than memory",
        text: "\
Groups, the rows that joins wait with, keys seen by DEDUPLICATE: a query keeps them from batch to batch, in memory.
  SELECT * FROM state('q');          what it is;  SELECT stateOperators FROM progress('q');  how many rows and bytes
A WATERMARK lets it go. What has to stay and is larger than memory goes to disk:
  SET spark.sql.streaming.stateStore.providerClass =
    'org.apache.spark.sql.execution.streaming.state.RocksDBStateStoreProvider';
  SET spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB = 200;
holds for queries started from then on. Up to so many megabytes (500 by itself) stay in memory for each query, or with
rocksdb.boundedMemoryUsage = true for all of them together; what was touched longest ago goes first, and comes back
when a batch touches it. Results are the same, batches that touch much of it are slower. The files are in `spill` of the
CHECKPOINT, else in the directory for temporary files (TMPDIR), and are removed with the query; a restart reads the
checkpoint, and the setting may be another one then. Back to memory:
  RESET spark.sql.streaming.stateStore.providerClass;",
    },
    Topic {
        name: "settings",
        title: "SET and the names it knows",
        text: "\
  SET;                                             lists them
  SET spark.sql.session.timeZone = 'Europe/Berlin';
  RESET spark.sql.session.timeZone;
Settings have Spark's names. Those that mean nothing here are accepted with a warning.",
    },
];

/// The list of commands and topics.
pub(super) fn overview() -> String {
    let mut out = String::from(
        "\
Statements end with `;` and may go on over several lines. Tab completes, Ctrl-R searches the history.
Ctrl-C clears the line or ends a preview, Ctrl-D leaves.

  .help [topic]   this, or a topic
  .dash [name]    the dashboard of a started query
  .timing         shows how long statements take, or stops it
  .demo           how to see something move without a data source
  .quit           leaves; started queries finish their batch

",
    );
    for topic in TOPICS {
        out.push_str(&format!("  .help {:<14} {}\n", topic.name, topic.title));
    }
    out
}

/// The text of a topic; the nearest name, or what there is, when there is none of that name.
pub(super) fn topic(name: &str) -> String {
    let wanted = name.trim().trim_end_matches(';').to_lowercase();
    let names = || TOPICS.iter().map(|t| t.name);
    let singular =
        |t: &&Topic| t.name == wanted || t.name.trim_end_matches('s') == wanted.trim_end_matches('s') || t.name.replace(' ', "") == wanted;
    match TOPICS.iter().find(singular) {
        Some(topic) => format!("{}\n\n{}\n", topic.title, topic.text),
        None => match crate::diagnostic::nearest(&wanted, names()) {
            Some(near) => format!("there is no topic `{wanted}`; did you mean `.help {near}`?\n"),
            None => format!("there is no topic `{wanted}`; topics: {}\n", names().collect::<Vec<_>>().join(", ")),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_found_by_near_names() {
        assert!(topic("output mode").contains("append"));
        assert!(topic("OutputMode").contains("append"));
        assert!(topic("triggers").contains("AVAILABLE NOW"));
        assert!(topic("watermrak").contains(".help watermark"));
        assert!(topic("zzz").contains("topics: start"));
    }

    #[test]
    fn every_statement_of_the_topics_parses() {
        for topic in TOPICS {
            for line in examples(topic.text) {
                assert!(
                    crate::lang::parse_statement(&line).is_ok(),
                    "{}: {line}: {:?}",
                    topic.name,
                    crate::lang::parse_statement(&line).err()
                );
            }
        }
    }

    /// The statements of a text: from a keyword that begins one to its `;`.
    fn examples(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        let mut rest = text;
        while let Some((statement, after)) = rest.split_once(';') {
            let begins = ["CREATE ", "SELECT ", "START ", "SET ", "RESET ", "SHOW ", "DESCRIBE ", "PAUSE ", "RESUME ", "STOP "];
            let at = begins.iter().filter_map(|b| first_word(statement, b)).min();
            if let Some(at) = at {
                found.push(statement[at..].to_string());
            }
            rest = after;
        }
        found
    }

    /// Where `word` stands first, not within another word and not as part of a sentence.
    fn first_word(text: &str, word: &str) -> Option<usize> {
        text.match_indices(word).map(|(i, _)| i).find(|i| {
            text[*i + word.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '*')
                && !text[..*i].ends_with(|c: char| c.is_alphanumeric() || c == '(')
        })
    }
}
