//! The hand-off between receiver and queries, without a network.

use crate::streams::clock;
use eddyline::engine::source::Signal;
use eddyline::engine::source::lines::LineRange;
use eddyline::engine::source::queue::{Cursor, LineQueue, QueueLimits};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;

fn queue(rows: u64, bytes: u64) -> Arc<LineQueue> {
    Arc::new(LineQueue::new(QueueLimits { rows, bytes }, clock()))
}

fn join(queue: &Arc<LineQueue>) -> Cursor {
    queue.join(Arc::new(Signal::default()))
}

/// Lines numbered from `first` as a block, each `width` bytes and an end.
fn block(first: u64, count: u64, width: usize) -> (Vec<u8>, Vec<LineRange>) {
    let mut bytes = Vec::new();
    let lines = (first..first + count).map(|n| {
        let start = u32::try_from(bytes.len()).unwrap();
        bytes.extend_from_slice("0".repeat(width.saturating_sub(7)).as_bytes());
        bytes.extend_from_slice(format!("{n:07}").as_bytes());
        let end = u32::try_from(bytes.len()).unwrap();
        bytes.push(b'\n');
        LineRange { start, end }
    });
    let lines = lines.collect();
    (bytes, lines)
}

fn numbers(cursor: &Cursor, from: u64, to: u64) -> Vec<u64> {
    let slices = cursor.slice(from, to);
    slices.iter().flat_map(|lines| lines.iter().map(|l| std::str::from_utf8(l).unwrap().parse().unwrap()).collect::<Vec<u64>>()).collect()
}

#[test]
fn it_is_bounded_by_rows() {
    let queue = queue(10, 1 << 20);
    let (bytes, lines) = block(0, 25, 4);
    assert_eq!(queue.append(&bytes, &lines), 0, "nobody reads");
    let reader = join(&queue);
    assert_eq!(queue.append(&bytes, &lines), 10);
    assert_eq!(queue.append(&bytes, &lines[10..]), 0);
    assert!(queue.status().full && !queue.wait_for_room(Duration::from_millis(1)));
    assert_eq!(numbers(&reader, 0, 10), (0..10).collect::<Vec<_>>());
    reader.release(4);
    assert_eq!(queue.append(&bytes, &lines[10..]), 4);
    assert_eq!(numbers(&reader, 4, 14), (4..14).collect::<Vec<_>>());
}

#[test]
fn it_is_bounded_by_bytes() {
    let queue = queue(1 << 20, 64 * 1024);
    let reader = join(&queue);
    let (bytes, lines) = block(0, 200, 1000);
    let taken = queue.append(&bytes, &lines);
    assert!((50..66).contains(&taken), "{taken}");
    assert!(queue.status().bytes < 64 * 1024 + 2048);
    reader.release(taken as u64);
    assert_eq!(queue.status().bytes, 0);
    // A line larger than the whole queue goes through alone.
    let (bytes, lines) = block(7, 2, 100_000);
    assert_eq!(queue.append(&bytes, &lines), 1);
    assert_eq!(numbers(&reader, taken as u64, taken as u64 + 1), [7]);
}

#[test]
fn the_slowest_reader_holds_it_back() {
    let queue = queue(10, 1 << 20);
    let (quick, slow) = (join(&queue), join(&queue));
    let (bytes, lines) = block(0, 30, 4);
    assert_eq!(queue.append(&bytes, &lines), 10);
    quick.release(10);
    assert_eq!(queue.append(&bytes, &lines[10..]), 0);
    slow.release(3);
    assert_eq!(queue.append(&bytes, &lines[10..]), 3);
    drop(slow);
    assert_eq!(queue.status().rows, 3);
    assert_eq!(numbers(&quick, 10, 13), [10, 11, 12]);
    // One that joins now sees only what comes from now on.
    let late = join(&queue);
    assert_eq!(queue.append(&bytes, &lines[13..]), 7);
    assert_eq!((late.received(), quick.received()), (7, 20));
    assert_eq!(numbers(&late, 0, 2), [13, 14]);
}

#[test]
fn a_waiting_receiver_is_woken_by_room() {
    let queue = queue(1, 1 << 20);
    let reader = join(&queue);
    let (bytes, lines) = block(0, 2, 4);
    assert_eq!(queue.append(&bytes, &lines), 1);
    let receiver = std::thread::spawn({
        let queue = Arc::clone(&queue);
        move || queue.wait_for_room(Duration::from_secs(60))
    });
    reader.release(1);
    assert!(receiver.join().unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the sizes of blocks and batches: every line once, in order, within the limits but for one line.
    #[test]
    fn lines_come_out_as_they_went_in(
        blocks in prop::collection::vec((1u64..400, 1usize..3000), 1..30),
        batches in prop::collection::vec(1u64..700, 1..20),
        rows in 1u64..500,
        bytes in 1u64..200_000,
    ) {
        let queue = queue(rows, bytes);
        let reader = join(&queue);
        let (mut expected, mut seen) = (0, 0);
        let mut sizes = batches.iter().cycle();
        let mut drain = |seen: &mut u64| {
            let end = reader.received().min(*seen + sizes.next().unwrap());
            let got = numbers(&reader, *seen, end);
            assert_eq!(got, (*seen..end).collect::<Vec<_>>());
            reader.release(end);
            *seen = end;
        };
        for (count, width) in blocks {
            let width = width.max(7);
            let (text, lines) = block(expected, count, width);
            let mut taken = 0;
            while taken < lines.len() {
                taken += queue.append(&text, &lines[taken..]);
                let status = queue.status();
                prop_assert!(status.rows <= rows, "{status:?}");
                prop_assert!(status.bytes <= bytes + 3000 + 1024, "{status:?}");
                if taken < lines.len() {
                    drain(&mut seen);
                }
            }
            expected += count;
        }
        while seen < expected {
            drain(&mut seen);
        }
        prop_assert_eq!(queue.status().bytes, 0);
    }
}
