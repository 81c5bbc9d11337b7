//! Generated rows on a clock that the test moves; expected rows are Spark's.

use crate::streams::{Stream, resources, scan};
use eddyline::engine::Frame;
use eddyline::engine::clock::ManualClock;
use eddyline::types::DataType;
use std::sync::Arc;
use std::time::Duration;

fn open(format: &str, options: &[(&str, &str)]) -> (Stream, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::default());
    clock.advance_micros(503_000);
    let columns = [("timestamp", DataType::Timestamp), ("value", DataType::BigInt)];
    let stream = Stream::open(&scan(format, options, &columns), &resources(), clock.clone()).unwrap();
    (stream, clock)
}

/// (timestamp in milliseconds, value)
fn rows(frames: &[Frame]) -> Vec<(i64, i64)> {
    let column = |f: &Frame, i: usize| f.columns()[i].i64().unwrap().into_no_null_iter().collect::<Vec<i64>>();
    frames.iter().flat_map(|f| column(f, 0).into_iter().map(|t| t / 1000).zip(column(f, 1))).collect()
}

#[test]
fn rate_spreads_values_over_its_seconds() {
    let (mut stream, clock) = open("rate", &[("rowsPerSecond", "7"), ("numPartitions", "2")]);
    assert!(stream.source.starts_empty());
    assert_eq!(rows(&stream.batch()), []);
    assert_eq!(stream.source.poll_every(), Some(Duration::from_secs(1)));
    clock.advance_micros(1_200_000);
    assert_eq!(stream.source.poll_every(), Some(Duration::from_millis(800)));
    assert_eq!(rows(&stream.batch()), [(503, 0), (789, 2), (1074, 4), (1360, 6), (646, 1), (932, 3), (1217, 5)]);
    assert_eq!(stream.at.as_ref().unwrap().0, "1");
    clock.advance_micros(800_000);
    assert_eq!(rows(&stream.batch())[..3], [(1503, 7), (1789, 9), (2074, 11)]);

    let (mut stream, clock) = open("rate", &[("rowsPerSecond", "3")]);
    stream.batch();
    clock.advance_micros(2_000_000);
    assert_eq!(rows(&stream.batch()), [(503, 0), (836, 1), (1170, 2), (1503, 3), (1836, 4), (2170, 5)]);
}

#[test]
fn rate_freezes_where_it_stands() {
    let (mut stream, clock) = open("rate", &[("rowsPerSecond", "300000")]);
    clock.advance_micros(2_500_000);
    stream.source.freeze().unwrap();
    clock.advance_micros(2_500_000);
    let frames = stream.batch();
    assert_eq!(frames.len(), 3);
    let rows = rows(&frames);
    assert_eq!(rows.len(), 600_000);
    assert!(rows.iter().enumerate().all(|(i, (_, value))| *value == i as i64));
    assert_eq!(stream.source.latest(stream.at.clone().as_ref()).unwrap(), stream.at);
}

#[test]
fn rate_micro_batch_makes_the_same_number_every_batch() {
    let options = [("rowsPerBatch", "7"), ("numPartitions", "2"), ("startTimestamp", "1000"), ("advanceMillisPerBatch", "50")];
    let (mut stream, _) = open("rate-micro-batch", &options);
    let at = |time: i64, values: &[i64]| values.iter().map(|v| (time, *v)).collect::<Vec<_>>();
    assert_eq!(rows(&stream.batch()), at(1000, &[0, 2, 4, 6, 1, 3, 5]));
    assert_eq!(stream.at.as_ref().unwrap().0, "{\"offset\":7,\"timestamp\":1050}");
    assert_eq!(rows(&stream.batch()), at(1050, &[7, 9, 11, 13, 8, 10, 12]));
    stream.source.freeze().unwrap();
    assert_eq!(rows(&stream.batch()), at(1100, &[14, 16, 18, 20, 15, 17, 19]));
    assert_eq!(rows(&stream.batch()), []);
}

#[test]
fn bad_options_are_explained() {
    let refuse = |format: &str, options: &[(&str, &str)]| {
        let clock = Arc::new(ManualClock::default());
        Stream::open(&scan(format, options, &[("value", DataType::BigInt)]), &resources(), clock).err().unwrap().to_string()
    };
    let cases = [
        (refuse("rate", &[("rowsPerSecond", "0")]), "option rowsPerSecond of rate is '0', but must be a whole number of at least 1"),
        (refuse("rate", &[("rampUpTime", "soon")]), "option rampUpTime of rate is 'soon', but must be a time such as 5s, 100ms or 2m"),
        (refuse("rate", &[("rowPerSecond", "1")]), "rate has no option rowPerSecond"),
        (refuse("rate-micro-batch", &[]), "rate-micro-batch needs to know how many rows a batch has"),
    ];
    for (message, expected) in cases {
        assert_eq!(message, expected);
    }
}
