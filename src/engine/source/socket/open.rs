//! `CREATE STREAM … USING socket OPTIONS (…)` → a source.

use super::{Log, SocketMode, SocketOptions};
use crate::engine::clock::Clock;
use crate::engine::source::bad::Tally;
use crate::engine::source::declared::Declared;
use crate::engine::source::line_format;
use crate::engine::source::line_source::{LineSource, LineSourceParts};
use crate::engine::source::lines::MAX_LINE_BYTES;
use crate::engine::source::queue::QueueLimits;
use crate::engine::source::receivers::{Receiver, Receivers};
use crate::engine::source::{Source, SourceContext};
use crate::engine::{EngineError, Resources};
use crate::plan::logical::Scan;
use std::sync::Arc;

/// Opens a socket stream for a query: joins its receiver, or starts it.
///
/// # Errors
/// Options that do not fit. A peer that is not there is no error: the source says so and tries again.
pub fn open(scan: &Scan, context: &SourceContext, resources: &Resources) -> Result<Box<dyn Source>, EngineError> {
    let declared = Declared::new("socket", &scan.options);
    let options = read(&declared)?;
    let decoder = line_format::decoder(scan, context, &declared)?;
    let log = match (wal(&declared)?, &context.folder) {
        (false, _) => None,
        (true, Some(folder)) => Some(Log::new(Arc::clone(resources.disk()), folder)),
        (true, None) => {
            return Err(EngineError::user(format!(
                "{} has the option wal 'true': its lines are kept for a restart, and without a CHECKPOINT the query has no place for them",
                scan.name
            ))
            .help("do: CHECKPOINT 'directory', or leave the option wal out"));
        }
    };
    let receiver = receiver(&scan.name, &options, Arc::clone(&context.clock), resources);
    let mut source = LineSource::new(LineSourceParts {
        stream: scan.name.clone(),
        description: format!("socket {}", options.address()),
        cursor: None,
        wake: Arc::clone(&context.wake),
        decoder,
        tally: Tally::new(&scan.name, context),
        receiver,
        log,
    });
    source.starts_empty = true;
    source.fails_when_refused = !options.reconnect;
    Ok(Box::new(source))
}

/// Refuses options that do not fit, without a connection.
pub(in crate::engine::source) fn check(scan: &Scan, context: &SourceContext) -> Result<(), EngineError> {
    let declared = Declared::new("socket", &scan.options);
    read(&declared)?;
    line_format::decoder(scan, context, &declared).map(drop)
}

/// Starts the receiver of a socket stream before any query reads from it, and keeps it while the value lives. Lines wait
/// with the sender until the first query joins. [`Receiver::settled`] tells whether the peer is there.
///
/// # Errors
/// Options that do not fit the receiver.
pub fn watch(name: &str, options: &[(String, String)], clock: Arc<dyn Clock>, resources: &Resources) -> Result<Arc<Receiver>, EngineError> {
    let options = read(&Declared::new("socket", options))?;
    Ok(receiver(name, &options, clock, resources))
}

/// The stream's receiver. The reader's format is no part of its key: it is each query's own.
fn receiver(name: &str, options: &SocketOptions, clock: Arc<dyn Clock>, resources: &Resources) -> Arc<Receiver> {
    let key = format!("{} {options:?}", name.to_lowercase());
    resources.shared::<Receivers>().get(key, || super::start(options.clone(), QueueLimits::default(), clock))
}

/// The receiver's options.
fn read(declared: &Declared<'_>) -> Result<SocketOptions, EngineError> {
    let missing = |what: &'static str| {
        declared.misspelt(what).unwrap_or_else(|| {
            EngineError::user(format!("a socket stream needs the {what} to read from"))
                .help("for example OPTIONS (host 'localhost', port 9999)")
        })
    };
    let mode = socket_mode(declared)?;
    let host = match declared.text("host").map(str::trim) {
        Some(host) if !host.is_empty() => host.to_string(),
        _ => return Err(missing("host")),
    };
    let least = if mode == SocketMode::Listen { 0 } else { 1 };
    let port = declared.number("port", least, i64::from(u16::MAX))?.ok_or_else(|| missing("port"))?;
    wal(declared)?;
    Ok(SocketOptions {
        host,
        port: port as u16,
        mode,
        reconnect: declared.boolean("reconnect")?.unwrap_or(true),
        max_line_bytes: max_line_bytes(declared)?,
    })
}

/// Whether lines are kept for a restart.
fn wal(declared: &Declared<'_>) -> Result<bool, EngineError> {
    Ok(declared.boolean("wal")?.unwrap_or(false))
}

/// `mode` is an option of sockets and, with other values, of the readers of records.
fn socket_mode(declared: &Declared<'_>) -> Result<SocketMode, EngineError> {
    let Some(text) = declared.text("mode") else { return Ok(SocketMode::Connect) };
    let mode = match text.to_ascii_lowercase().as_str() {
        "connect" => SocketMode::Connect,
        "listen" => SocketMode::Listen,
        "permissive" | "dropmalformed" | "failfast" if declared.text("format").is_some() => return Ok(SocketMode::Connect),
        _ => return Err(declared.bad("mode", text, "connect (the peer listens, as nc -lk does) or listen")),
    };
    declared.take("mode");
    Ok(mode)
}

/// `maxLineBytes`, which every source of lines has. A line has to fit the queue many times over.
pub(in crate::engine::source) fn max_line_bytes(declared: &Declared<'_>) -> Result<usize, EngineError> {
    Ok(declared.number("maxLineBytes", 1, 16 << 20)?.map_or(MAX_LINE_BYTES, |n| n as usize))
}
