//! The samples run from the root of the repository and give what they promise.

use super::session_run::{accept, err, out, root, run, run_with, signal, spawn};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

#[test]
fn orders_by_status() {
    let output = run(&["run", "samples/orders_by_status.sql"]);
    assert!(output.status.success(), "{}", err(&output));
    insta::assert_snapshot!(out(&output), @r"
    Batch: 0
    +----------+--------+--------+
    | status   | orders |  total |
    +----------+--------+--------+
    | new      |      4 | 434.49 |
    | paid     |      2 | 262.00 |
    | returned |      1 |  19.90 |
    | shipped  |      1 |  75.25 |
    +----------+--------+--------+
    ");
}

#[test]
fn json_filter() {
    let output = run(&["run", "samples/json_filter.sql"]);
    assert!(output.status.success(), "{}", err(&output));
    insta::assert_snapshot!(out(&output), @r"
    Batch: 0
    +---------+-------+-----+--------+---------+
    | service | level |  ms | user   | user_id |
    +---------+-------+-----+--------+---------+
    | pay     | error | 830 | Grace  | 3       |
    | cart    | warn  | 260 | Edsger | 1       |
    | cart    | error |  45 | nobody | NULL    |
    +---------+-------+-----+--------+---------+
    ");
}

#[test]
fn stream_static_join() {
    let output = run(&["run", "samples/stream_static_join.sql"]);
    assert!(output.status.success(), "{}", err(&output));
    insta::assert_snapshot!(out(&output), @r"
    +-----------+--------+--------+
    | city      | orders |  total |
    +-----------+--------+--------+
    | New York  |      3 | 361.99 |
    | Rotterdam |      1 | 310.10 |
    | (unknown) |      1 |  75.25 |
    | London    |      3 |  44.30 |
    +-----------+--------+--------+
    ");
}

/// The word count over a socket, which a listener of the test serves as `nc -lk` would.
#[test]
fn wordcount() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port().to_string();
    let script = std::fs::read_to_string(root().join("samples/wordcount.sql")).expect("a script");
    let script = script.replace("localhost", "127.0.0.1").replace("9999", &port).replace("1 second", "10 milliseconds");
    let mut child = spawn(&["run", "-", "--format", "ndjson"]);
    child.stdin.take().expect("piped").write_all(script.as_bytes()).expect("read");
    let mut peer = accept(listener);
    peer.write_all(b"the quick brown fox\nthe end\n").expect("sent");
    let stdout = BufReader::new(child.stdout.take().expect("piped"));
    let mut last = serde_json::Value::Null;
    for line in stdout.lines() {
        last = serde_json::from_str(&line.expect("text")).expect("JSON");
        if last["rows"].as_array().expect("rows").len() == 5 {
            signal(&child, nix::sys::signal::Signal::SIGINT);
            break;
        }
    }
    let mut rows: Vec<String> = last["rows"].as_array().expect("rows").iter().map(|r| format!("{} {}", r["word"], r["n"])).collect();
    rows.sort();
    assert_eq!(rows, ["\"brown\" 1", "\"end\" 1", "\"fox\" 1", "\"quick\" 1", "\"the\" 2"]);
    assert!(child.wait().expect("ends").success(), "SIGINT ends with 0");
}

#[test]
fn the_demo_without_a_terminal_prints_ten_batches_and_ends() {
    let output = run_with(&["demo", "--rate", "1000"], "");
    assert!(output.status.success(), "{}", err(&output));
    assert!(out(&output).contains("Batch: 9\n"), "{}", out(&output));
}
