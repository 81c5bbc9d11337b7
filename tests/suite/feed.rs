//! The built-in feed, read over its socket.

use eddyline::feed::{Feed, FeedKind};
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;

#[test]
fn it_sends_its_limit_and_ends() {
    let feed = Feed::start(FeedKind::Words, None, Some(100_000)).unwrap();
    let lines = BufReader::new(TcpStream::connect(feed.address()).unwrap()).lines();
    assert_eq!(lines.map(Result::unwrap).count(), 100_000);
    assert_eq!(feed.sent(), 100_000);
    feed.stop();
}

#[test]
fn orders_are_json() {
    let feed = Feed::start(FeedKind::Orders, Some(1_000_000), Some(500)).unwrap();
    let lines = BufReader::new(TcpStream::connect(feed.address()).unwrap()).lines();
    for (n, line) in lines.map(Result::unwrap).enumerate() {
        let order: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(order["id"], n + 1);
        assert!(order["amount"].is_number() && order["status"].is_string(), "{line}");
    }
    assert_eq!(feed.sent(), 500);
}

#[test]
fn it_serves_one_client_after_the_other_and_stops_at_once() {
    let feed = Feed::start(FeedKind::Words, Some(1000), None).unwrap();
    let address = feed.address();
    let first_line = |client: TcpStream| BufReader::new(client).lines().next().unwrap().unwrap();
    let first = first_line(TcpStream::connect(address).unwrap());
    let second = first_line(TcpStream::connect(address).unwrap());
    assert_ne!(first, second);
    let mut third = TcpStream::connect(address).unwrap();
    assert_eq!(third.read(&mut [0]).unwrap(), 1);
    feed.stop();
    // What was on its way still comes, then the end.
    let _ = third.read_to_end(&mut Vec::new());
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn a_client_that_does_not_read_does_not_keep_it_from_stopping() {
    let feed = Feed::start(FeedKind::Words, None, None).unwrap();
    let mut client = TcpStream::connect(feed.address()).unwrap();
    assert_eq!(client.read(&mut [0]).unwrap(), 1);
    feed.stop();
}
