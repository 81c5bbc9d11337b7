//! Sockets against real peers on the loopback interface.

use crate::streams::{Stream, clock, resources, scan, texts};
use eddyline::engine::Resources;
use eddyline::engine::source::{Earlier, Source, declared_schema, socket};
use eddyline::progress::Connection;
use eddyline::types::{DataType, Field};
use std::io::{BufWriter, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    (listener, port)
}

fn open_with(resources: &Resources, port: &str, options: &[(&str, &str)]) -> Stream {
    let mut all = vec![("host", "127.0.0.1"), ("port", port)];
    all.extend_from_slice(options);
    Stream::open(&scan("socket", &all, &[("value", DataType::String)]), resources, clock()).unwrap()
}

fn open(port: &str) -> Stream {
    open_with(&resources(), port, &[])
}

fn send(peer: &mut TcpStream, bytes: &[u8]) {
    peer.write_all(bytes).unwrap();
}

#[test]
fn lines_arrive_in_order() {
    let (listener, port) = listener();
    let mut stream = open(&port);
    assert!(stream.source.starts_empty());
    assert_eq!(stream.source.latest(None).unwrap().unwrap().0, "{\"lines\":0}");
    let (mut peer, _) = listener.accept().unwrap();
    stream.until("connected", |s| s.connection == Connection::Connected);
    send(&mut peer, b"hello world\nsecond\r\n\nthird");
    assert_eq!(stream.lines(3), ["hello world", "second", ""]);
    send(&mut peer, b" one\n");
    assert_eq!(stream.lines(1), ["third one"]);
    assert_eq!(stream.at.as_ref().unwrap().0, "{\"lines\":4}");
    assert_eq!(stream.source.status().received_rows, 4);
}

#[test]
fn a_refused_connection_is_tried_again() {
    let (listener, port) = listener();
    drop(listener);
    let mut stream = open(&port);
    let status = stream.until("refused", |s| matches!(s.connection, Connection::Refused(_)));
    let Connection::Refused(why) = status.connection else { unreachable!() };
    assert_eq!(why, format!("cannot connect to 127.0.0.1:{port}: connection refused, nothing listens there"));
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    send(&mut peer, b"at last\n");
    assert_eq!(stream.lines(1), ["at last"]);
}

#[test]
fn a_peer_that_closed_is_found_again() {
    let (listener, port) = listener();
    let mut stream = open(&port);
    let (mut peer, _) = listener.accept().unwrap();
    send(&mut peer, b"one\ncut off");
    drop(listener);
    drop(peer);
    assert_eq!(stream.lines(2), ["one", "cut off"]);
    // The state lasts until the next attempt, which nobody answers.
    stream.until("closed", |s| matches!(s.connection, Connection::PeerClosed | Connection::Refused(_)));
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    stream.until("connected again", |s| s.connection == Connection::Connected);
    send(&mut peer, b"two\n");
    assert_eq!(stream.lines(1), ["two"]);
    assert!(!stream.source.ended());
}

#[test]
fn without_reconnect_it_ends() {
    let (listener, port) = listener();
    let resources = resources();
    let mut stream = open_with(&resources, &port, &[("reconnect", "false")]);
    let (mut peer, _) = listener.accept().unwrap();
    send(&mut peer, b"one");
    drop(peer);
    stream.until("ended", |s| s.connection == Connection::Ended);
    assert!(!stream.source.ended(), "a line was not looked at yet");
    assert_eq!(stream.lines(1), ["one"]);
    assert!(stream.source.ended());
    drop(listener);
    let mut refused = open_with(&resources, &port, &[("reconnect", "FALSE"), ("maxLineBytes", "100")]);
    refused.until("refused", |s| matches!(s.connection, Connection::Refused(_)));
    refused.until("ended", |_| refused.source.ended());
    let error = refused.source.latest(None).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot connect to 127.0.0.1:{port}")), "{error}");
}

#[test]
fn long_lines_are_dropped_and_counted() {
    let (listener, port) = listener();
    let mut stream = open_with(&resources(), &port, &[("maxLineBytes", "10")]);
    let (mut peer, _) = listener.accept().unwrap();
    send(&mut peer, b"0123456789\n\x1b[2J0123456789\nshort\n");
    assert_eq!(stream.lines(2), ["0123456789", "short"]);
    let status = stream.source.status();
    assert_eq!((status.oversized_rows, status.received_rows), (1, 2));
    assert_eq!(status.sample.unwrap(), "\\x1b[2J0123456789 (14 bytes)");
}

#[test]
fn a_line_over_a_mebibyte_is_dropped_by_default() {
    let (listener, port) = listener();
    let mut stream = open(&port);
    let (mut peer, _) = listener.accept().unwrap();
    let sender = std::thread::spawn(move || {
        send(&mut peer, &vec![b'a'; 5 << 20]);
        send(&mut peer, b"\n");
        send(&mut peer, &vec![b'b'; 1 << 20]);
        send(&mut peer, b"\nend\n");
        peer
    });
    let lines = stream.lines(2);
    assert_eq!((lines[0].len(), lines[1].as_str()), (1 << 20, "end"));
    let status = stream.source.status();
    assert_eq!(status.oversized_rows, 1);
    assert!(status.sample.unwrap().len() < 200);
    sender.join().unwrap();
}

#[test]
fn bytes_that_are_no_text_are_replaced() {
    let (listener, port) = listener();
    let mut stream = open(&port);
    let (mut peer, _) = listener.accept().unwrap();
    send(&mut peer, b"caf\xc3\xa9\nb\xffd\n");
    assert_eq!(stream.lines(2), ["caf\u{e9}", "b\u{fffd}d"]);
    let status = stream.source.status();
    assert_eq!((status.bad_rows, status.sample.as_deref()), (1, Some("b\u{fffd}d")));
}

#[test]
fn queries_share_a_connection() {
    let (listener, port) = listener();
    let resources = resources();
    let mut first = open_with(&resources, &port, &[]);
    let (mut peer, _) = listener.accept().unwrap();
    send(&mut peer, b"before\n");
    assert_eq!(first.lines(1), ["before"]);
    let mut second = open_with(&resources, &port, &[]);
    send(&mut peer, b"both\n");
    assert_eq!(second.lines(1), ["both"]);
    // Not committed by the first, so still held.
    assert_eq!(first.source.status().buffered_rows, 1);
    assert_eq!(first.lines(1), ["both"]);
    assert_eq!(first.source.status().buffered_rows, 0);
    drop(first);
    send(&mut peer, b"alone\n");
    assert_eq!(second.lines(1), ["alone"]);
    drop(second);
    // Nobody reads any more: the connection is closed.
    assert_eq!(peer.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn a_watched_stream_is_connected_before_it_is_read() {
    let (listener, port) = listener();
    let resources = resources();
    let options = [("host", "127.0.0.1"), ("port", port.as_str())].map(|(k, v)| (k.to_string(), v.to_string()));
    let watched = socket::watch("Lines", &options, clock(), &resources).unwrap();
    assert_eq!(watched.settled(Duration::from_secs(60)), Connection::Connected);
    let (mut peer, _) = listener.accept().unwrap();
    send(&mut peer, b"early\n");
    let mut stream = open_with(&resources, &port, &[]);
    assert_eq!(stream.lines(1), ["early"]);
    drop(stream);
    let mut stream = open_with(&resources, &port, &[]);
    send(&mut peer, b"later\n");
    assert_eq!(stream.lines(1), ["later"]);
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn columns_follow_from_the_options() {
    let columns = |options: &[(&str, &str)], declared: Option<Vec<Field>>| {
        let options: Vec<_> = options.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        declared_schema("socket", &options, declared).map(|fields| fields.iter().map(|f| format!("{} {}", f.name, f.data_type)).collect())
    };
    let own = || Some(vec![Field::new("id", DataType::BigInt)]);
    let expect = |names: &[&str]| Ok(names.iter().map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(columns(&[], None), expect(&["value string"]));
    assert_eq!(columns(&[("includetimestamp", "true")], None), expect(&["value string", "timestamp timestamp"]));
    assert_eq!(columns(&[("format", "json")], own()), expect(&["id bigint"]));
    let refused = |options: &[(&str, &str)], declared| columns(options, declared).unwrap_err().to_string();
    assert_eq!(refused(&[], own()), "socket of plain lines has its own columns: value STRING");
    assert_eq!(refused(&[("format", "csv")], None), "socket with format 'csv' needs its columns declared");
    assert_eq!(refused(&[("format", "xml")], None), "option format of socket is 'xml', but must be json, csv or text");
    assert_eq!(refused(&[("format", "json"), ("includeTimestamp", "true")], own()), "includeTimestamp goes with plain lines only");
}

#[test]
fn a_reader_that_leaves_frees_its_backlog() {
    let (listener, port) = listener();
    let resources = resources();
    let mut quick = open_with(&resources, &port, &[]);
    let (mut peer, _) = listener.accept().unwrap();
    send(&mut peer, b"0\n");
    quick.lines(1);
    let slow = open_with(&resources, &port, &[]);
    send(&mut peer, b"1\n2\n3\n");
    quick.lines(3);
    assert_eq!(quick.source.status().buffered_rows, 3);
    drop(slow);
    let status = quick.source.status();
    assert_eq!((status.buffered_rows, status.buffered_bytes), (0, 0));
}

#[test]
fn a_batch_can_be_read_again_until_it_is_committed() {
    let (listener, port) = listener();
    let mut stream = open(&port);
    let (mut peer, _) = listener.accept().unwrap();
    send(&mut peer, b"a\nb\n");
    stream.until("received", |s| s.received_rows == 2);
    let end = stream.source.latest(None).unwrap().unwrap();
    let read = |source: &mut dyn Source| -> Vec<String> {
        source.read(None, &end).unwrap().into_iter().flat_map(|task| texts(&task().unwrap())).collect()
    };
    assert_eq!(read(stream.source.as_mut()), ["a", "b"]);
    send(&mut peer, b"c\n");
    stream.until("received", |s| s.received_rows == 3);
    assert_eq!(read(stream.source.as_mut()), ["a", "b"]);
    stream.source.commit(&end).unwrap();
    stream.at = Some(end);
    assert_eq!(stream.lines(1), ["c"]);
}

#[test]
fn frozen_it_gives_what_was_there() {
    let (listener, port) = listener();
    let mut stream = open(&port);
    let (mut peer, _) = listener.accept().unwrap();
    send(&mut peer, b"a\nb\n");
    stream.until("received", |s| s.received_rows == 2);
    stream.source.freeze().unwrap();
    send(&mut peer, b"c\n");
    stream.until("received", |s| s.received_rows == 3);
    assert_eq!(stream.lines(2), ["a", "b"]);
    assert_eq!(stream.source.latest(stream.at.clone().as_ref()).unwrap(), stream.at);
}

#[test]
fn a_restart_goes_on_counting() {
    let (listener, port) = listener();
    let mut stream = open(&port);
    stream.at = Some(eddyline::checkpoint::Offset("{\"lines\":40}".to_string()));
    stream.source.restore(&Earlier { committed: stream.at.clone(), ..Earlier::default() }).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    send(&mut peer, b"a\nb\n");
    assert_eq!(stream.lines(2), ["a", "b"]);
    assert_eq!(stream.at.unwrap().0, "{\"lines\":42}");
}

#[test]
fn it_listens_for_clients_one_after_the_other() {
    let resources = resources();
    let mut stream = open_with(&resources, "0", &[("mode", "listen")]);
    let status = stream.until("listening", |s| matches!(s.connection, Connection::Listening(_)));
    let Connection::Listening(address) = status.connection else { unreachable!() };
    let mut client = TcpStream::connect(&address).unwrap();
    send(&mut client, b"one\n");
    assert_eq!(stream.lines(1), ["one"]);
    client.shutdown(Shutdown::Both).unwrap();
    stream.until("listening again", |s| matches!(s.connection, Connection::Listening(_)));
    let mut client = TcpStream::connect(&address).unwrap();
    send(&mut client, b"two\n");
    assert_eq!(stream.lines(1), ["two"]);
    let port = address.rsplit(':').next().unwrap();
    let taken = open_with(&resources, port, &[("mode", "listen")]);
    let status = taken.until("refused", |s| matches!(s.connection, Connection::Refused(_)));
    assert_eq!(status.connection, Connection::Refused(format!("cannot listen on 127.0.0.1:{port}: the port is in use")));
}

#[test]
fn arrival_times_stand_beside_lines() {
    let (listener, port) = listener();
    let columns = [("value", DataType::String), ("timestamp", DataType::Timestamp)];
    let options = [("host", "127.0.0.1"), ("port", port.as_str()), ("includeTimestamp", "true")];
    let clock = clock();
    let before = clock.now_micros();
    let mut stream = Stream::open(&scan("socket", &options, &columns), &resources(), clock.clone()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    send(&mut peer, b"a\nb\n");
    stream.until("received", |s| s.received_rows == 2);
    let frames = stream.batch();
    let times: Vec<i64> = frames[0].columns()[1].i64().unwrap().into_no_null_iter().collect();
    assert_eq!(times.len(), 2);
    assert!(times.iter().all(|t| t % 1000 == 0 && *t >= before - 1000 && *t <= clock.now_micros()), "{times:?}");
}

/// A writer that never waits against a query that does not read: the queue stays within its limits, the writer is held
/// back, and when the query reads, every line is there.
#[test]
fn a_slow_reader_holds_the_sender_back() {
    const LINES: u64 = 2_500_000;
    let (listener, port) = listener();
    let mut stream = open(&port);
    let (peer, _) = listener.accept().unwrap();
    let writer = std::thread::spawn(move || {
        let mut out = BufWriter::new(peer);
        (0..LINES).for_each(|n| writeln!(out, "line {n}").unwrap());
        out.flush().unwrap();
    });
    let full = stream.until("full", |s| s.buffered_rows == s.capacity_rows);
    assert!(full.buffered_bytes <= full.capacity_bytes, "{full:?}");
    let held = stream.until("held back", |s| s.blocked_micros > full.blocked_micros);
    assert_eq!((held.received_rows, held.connection), (held.capacity_rows, Connection::Connected));
    let mut next = 0;
    while next < LINES {
        for frame in stream.batch() {
            for line in frame.columns()[0].str().unwrap().iter() {
                assert_eq!(line.unwrap(), format!("line {next}"));
                next += 1;
            }
        }
        let status = stream.source.status();
        assert!(status.buffered_rows <= status.capacity_rows && status.buffered_bytes <= status.capacity_bytes, "{status:?}");
        stream.wake.wait(Duration::from_millis(20));
    }
    writer.join().unwrap();
    assert_eq!(stream.source.status().received_rows, LINES);
}

/// A million 100-byte lines, which fill the queue by bytes, not rows.
#[test]
fn nothing_is_lost_under_load() {
    const LINES: u64 = 1_000_000;
    let (listener, port) = listener();
    let mut stream = open(&port);
    let (peer, _) = listener.accept().unwrap();
    let line = |n: u64| format!("{n:010}{}", "x".repeat(89));
    let writer = std::thread::spawn(move || {
        let mut out = BufWriter::with_capacity(1 << 16, peer);
        (0..LINES).for_each(|n| writeln!(out, "{}", line(n)).unwrap());
        out.flush().unwrap();
    });
    let (mut count, mut sum) = (0, 0);
    while count < LINES {
        for frame in stream.batch() {
            for line in frame.columns()[0].str().unwrap().iter() {
                sum += line.unwrap()[..10].parse::<u64>().unwrap();
                count += 1;
            }
        }
        stream.wake.wait(Duration::from_millis(20));
    }
    writer.join().unwrap();
    assert_eq!((count, sum), (LINES, LINES * (LINES - 1) / 2));
}

#[test]
fn bad_options_are_explained() {
    let refuse = |options: &[(&str, &str)]| -> (String, String) {
        let error = Stream::open(&scan("socket", options, &[("value", DataType::String)]), &resources(), clock()).err().unwrap();
        (error.to_string(), error.failure().help.clone().unwrap_or_default())
    };
    let host = ("host", "localhost");
    let example = "for example OPTIONS (host 'localhost', port 9999)";
    let cases = [
        (vec![("port", "1")], "a socket stream needs the host to read from", example),
        (vec![host], "a socket stream needs the port to read from", example),
        (vec![host, ("port", "99999")], "option port of socket is '99999', but must be a whole number from 1 to 65535", ""),
        (vec![host, ("port", "1"), ("hosts", "x")], "socket has no option hosts", "did you mean host?"),
        (
            vec![host, ("port", "1"), ("mode", "serve")],
            "option mode of socket is 'serve', but must be connect (the peer listens, as nc -lk does) or listen",
            "",
        ),
        (vec![host, ("port", "1"), ("includeTimestamp", "x")], "option includeTimestamp of socket is 'x', but must be true or false", ""),
        (vec![host, ("port", "1"), ("wal", "/tmp/x")], "option wal of socket is '/tmp/x', but must be true or false", ""),
    ];
    for (options, message, help) in cases {
        assert_eq!(refuse(&options), (message.to_string(), help.to_string()));
    }
}

#[test]
fn formats_that_we_lack_are_explained() {
    let refuse = |format: &str| {
        let error = Stream::open(&scan(format, &[], &[]), &resources(), clock()).err().unwrap();
        (error.to_string(), error.failure().help.clone().unwrap())
    };
    let (message, help) = refuse("flume");
    assert_eq!(message, "[DATA_SOURCE_NOT_FOUND] there is no source format flume");
    assert!(help.contains("socket"), "{help}");
    assert_eq!(refuse("sockets").1, "did you mean socket?");
    assert!(refuse("carrier-pigeon").1.starts_with("formats: socket"));
}

#[test]
fn typed_lines_become_columns() {
    let (listener, port) = listener();
    let options = [("host", "127.0.0.1"), ("port", port.as_str()), ("format", "json"), ("mode", "DROPMALFORMED")];
    let columns = [("id", DataType::BigInt), ("status", DataType::String)];
    let mut stream = Stream::open(&scan("socket", &options, &columns), &resources(), clock()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    send(&mut peer, b"{\"id\":1,\"status\":\"paid\"}\nnonsense\n{\"status\":\"n\xc3\xa9w\"}\n");
    stream.until("received", |s| s.received_rows == 3);
    let frames = stream.batch();
    assert_eq!(frames[0].columns()[0].i64().unwrap().iter().collect::<Vec<_>>(), [Some(1), None]);
    assert_eq!(frames[0].columns()[1].str().unwrap().iter().collect::<Vec<_>>(), [Some("paid"), Some("n\u{e9}w")]);
    let status = stream.source.status();
    assert_eq!((status.bad_rows, status.sample.as_deref()), (1, Some("nonsense")));
    let refused = Stream::open(&scan("socket", &[&options[..3], &[("multiLine", "true")]].concat(), &columns), &resources(), clock());
    assert_eq!(refused.err().unwrap().to_string(), "option multiLine goes with files: here each line is a record in UTF-8");
}
