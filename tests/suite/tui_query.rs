//! Hand-built snapshots of queries for the dashboard's tests.

use std::collections::VecDeque;
use std::sync::Arc;

use eddyline::progress::{
    BatchProgress, BatchResult, Connection, DurationMs, EventTime, LateRow, Mood, OperatorProgress, OutputMode, QuerySnapshot, QueryState,
    SinkProgress, SourceProgress, SourceStatus, StateOperatorProgress, Trigger, Why, WindowGroups,
};

/// 2026-11-21 10:42:07 UTC, in microseconds.
pub(crate) const NOW: i64 = 1_795_257_727_000_000;
const SECOND: i64 = 1_000_000;

/// The word count of the demo: 42 batches on a trigger of two seconds, complete mode.
pub(crate) fn running() -> QuerySnapshot {
    let words =
        ["the", "quick", "brown", "fox", "jumps", "over", "lazy", "dog", "stream", "spark", "batch", "row", "late", "key", "time", "query"];
    let count = |word: usize, batch: i64| 20 + (word as i64 * 37) % 400 + batch * (word as i64 % 5) * 13;
    let batch = |id: i64| -> Vec<Vec<Option<String>>> {
        let mut rows: Vec<_> = words.iter().enumerate().map(|(at, word)| vec![text(word), text(&count(at, id).to_string())]).collect();
        if id == 41 {
            rows.insert(3, vec![text("eddyline"), text("1")]);
        }
        rows
    };
    let results = (38..42).map(|id| result(id, &["word string", "n bigint"], &[0], batch(id as i64))).collect();
    QuerySnapshot {
        results,
        progress: (0..42).map(progress).collect(),
        sources: vec![socket(Connection::Connected)],
        log: VecDeque::from([
            (NOW - 84 * SECOND, "started".to_owned()),
            (NOW - 84 * SECOND, "socket localhost:9999: connected".to_owned()),
            (NOW - 40 * SECOND, "socket localhost:9999: a line of 1.2 MB was over the limit and dropped".to_owned()),
        ]),
        ..bare("counts", Mood::Good, "keeps up: a batch takes 38 ms of its 2 s; room for about 50 × this rate")
    }
}

/// A query about which nothing is known but its name and the sentence.
pub(crate) fn bare(name: &str, mood: Mood, sentence: &str) -> QuerySnapshot {
    QuerySnapshot {
        name: name.to_owned(),
        id: "7c1f0a52-0000-4000-8000-000000000001".to_owned(),
        run_id: "7c1f0a52-0000-4000-8000-000000000002".to_owned(),
        state: QueryState::WaitingForTrigger,
        mode: OutputMode::Complete,
        trigger: Trigger::ProcessingTime(2 * SECOND),
        started: NOW - 84 * SECOND,
        now: NOW,
        delay: Some(10 * 60 * SECOND),
        guarantee: "at-most-once".to_owned(),
        guarantee_reason: "the socket of lines cannot repeat lines; OPTIONS (wal 'true') and a CHECKPOINT make it exactly-once".to_owned(),
        plan: Arc::from(
            "Aggregate [word], [word, count(1) AS n]\n+- Generate explode(split(value, ' ')) AS word\n   +- Stream lines (socket localhost:9999)",
        ),
        progress: VecDeque::new(),
        results: VecDeque::new(),
        sources: Vec::new(),
        late: vec![],
        log: VecDeque::new(),
        why: Why { mood, sentence: sentence.to_owned() },
    }
}

/// One batch of the word count.
pub(crate) fn progress(id: u64) -> Arc<BatchProgress> {
    let wave = [0.2, 0.4, 0.7, 0.9, 1.0, 0.85, 0.6, 0.65, 0.7, 0.75][id as usize % 10];
    let rows = (25_000.0 * wave) as u64;
    let millis = 24.0 + 14.0 * wave;
    Arc::new(BatchProgress {
        id: "7c1f0a52-0000-4000-8000-000000000001".to_owned(),
        run_id: "7c1f0a52-0000-4000-8000-000000000002".to_owned(),
        name: Some("counts".to_owned()),
        timestamp: NOW - (42 - id as i64) * 2 * SECOND + SECOND,
        batch_id: id,
        num_input_rows: rows,
        input_rows_per_second: rows as f64 / 2.0,
        processed_rows_per_second: rows as f64 / millis * 1e3,
        duration_ms: DurationMs {
            latest_offset: 0.1,
            get_batch: 3.2,
            query_planning: 0.4,
            wal_commit: 0.3,
            add_batch: millis - 4.3,
            commit_offsets: 0.2,
            trigger_execution: millis,
        },
        event_time: None,
        state_operators: vec![StateOperatorProgress {
            operator_name: "stateStoreSave".to_owned(),
            num_rows_total: 1_150 + id + id / 4,
            num_rows_updated: 12,
            memory_used_bytes: 18_000 + id * 40,
            ..StateOperatorProgress::default()
        }],
        sources: vec![SourceProgress {
            description: "socket localhost:9999".to_owned(),
            num_input_rows: rows,
            ..SourceProgress::default()
        }],
        sink: SinkProgress { description: "console".to_owned(), num_output_rows: 1_150 + id },
        operators: vec![
            OperatorProgress { name: "decode".to_owned(), rows_in: rows, rows_out: rows, millis: 3.1 },
            OperatorProgress { name: "aggregate".to_owned(), rows_in: rows, rows_out: 1_150 + id, millis: millis - 12.0 },
        ],
    })
}

/// A live socket with a nearly empty buffer.
pub(crate) fn socket(connection: Connection) -> SourceStatus {
    SourceStatus {
        stream: "lines".to_owned(),
        description: "socket localhost:9999".to_owned(),
        connection,
        buffered_rows: 1_000,
        buffered_bytes: 41_000,
        capacity_rows: 50_000,
        capacity_bytes: 16_000_000,
        received_rows: 700_000,
        ..SourceStatus::default()
    }
}

/// A windowed count in append mode with a watermark and late rows.
pub(crate) fn windowed() -> QuerySnapshot {
    let at = |minutes: i64| NOW - 42 * 60 * SECOND - 7 * SECOND + minutes * 60 * SECOND;
    let progress = (0..6_u64)
        .map(|id| {
            let mut batch = (*progress(id)).clone();
            batch.event_time = Some(EventTime {
                max: Some(at(12 + 5 * id as i64)),
                min: Some(at(8 + 5 * id as i64)),
                avg: Some(at(10 + 5 * id as i64)),
                watermark: if id == 0 { 0 } else { at(2 + 5 * (id as i64 - 1)) },
            });
            batch.state_operators[0].num_rows_total = 214;
            batch.state_operators[0].num_rows_removed = 3;
            batch.state_operators[0].num_rows_dropped_by_watermark = u64::from(id > 3);
            let window = |start: i64, groups: u64| WindowGroups { start: at(start), end: at(start + 10), groups };
            match id {
                3 => batch.state_operators[0].closed_windows = vec![window(0, 42)],
                5 => {
                    batch.state_operators[0].closed_windows = vec![window(10, 37)];
                    batch.state_operators[0].open_windows = vec![window(20, 18), window(30, 21)];
                }
                _ => {}
            }
            Arc::new(batch)
        })
        .collect();
    let late = |batch_id: u64, minute: i64, start: i64, watermark: i64, user: &str| {
        Arc::new(LateRow {
            batch_id,
            operator: "stateStoreSave".to_owned(),
            event_time: Some(at(minute) + 11 * SECOND),
            watermark: at(watermark),
            windows: vec![(at(start), at(start + 10))],
            columns: vec![
                ("timestamp".to_owned(), Some(format!("2026-11-21 10:{minute:02}:11"))),
                ("user_id".to_owned(), Some(user.to_owned())),
                ("action".to_owned(), Some("view".to_owned())),
                ("value".to_owned(), None),
            ],
        })
    };
    let row = |window: &str, action: &str, n: &str| vec![text(window), text(action), text(n)];
    let columns = ["window struct<start:timestamp,end:timestamp>", "action string", "n bigint"];
    let results = VecDeque::from([
        result(
            3,
            &columns,
            &[0, 1],
            vec![
                row("{2026-11-21 10:00:00, 2026-11-21 10:10:00}", "view", "42"),
                row("{2026-11-21 10:00:00, 2026-11-21 10:10:00}", "buy", "7"),
            ],
        ),
        result(4, &columns, &[0, 1], vec![]),
        result(5, &columns, &[0, 1], vec![row("{2026-11-21 10:10:00, 2026-11-21 10:20:00}", "view", "37")]),
    ]);
    QuerySnapshot {
        mode: OutputMode::Append,
        trigger: Trigger::Default,
        state: QueryState::WaitingForData,
        progress,
        results,
        late: vec![late(5, 13, 10, 22, "7"), late(4, 4, 0, 17, "9")],
        sources: vec![socket(Connection::Connected)],
        ..bare(
            "per_window",
            Mood::Waiting,
            "nothing came out in this batch: append waits until the watermark passes 10:30:00, which takes an event after 10:40:00",
        )
    }
}

/// A result of `columns` such as `word string`.
pub(crate) fn result(batch_id: u64, columns: &[&str], keys: &[usize], rows: Vec<Vec<Option<String>>>) -> Arc<BatchResult> {
    let columns = columns.iter().map(|c| c.split_once(' ').unwrap()).map(|(name, kind)| (name.to_owned(), kind.to_owned()));
    Arc::new(BatchResult {
        batch_id,
        columns: columns.collect(),
        keys: keys.to_vec(),
        total_rows: rows.len() as u64,
        rows,
        watermark: None,
    })
}

/// A cell.
pub(crate) fn text(cell: &str) -> Option<String> {
    Some(cell.to_owned())
}
