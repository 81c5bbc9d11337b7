//! `eddy demo`: a feed of words over a real loopback socket, counted; nothing else needed.

use super::highlight::paint;
use super::{Asked, GLANCE, dashboard, say, stop_all};
use crate::diagnostic::Diagnostic;
use crate::engine::clock::SystemClock;
use crate::engine::sink::console::{Format, Output};
use crate::feed::{Feed, FeedKind};
use crate::session::{Answer, Session, SessionOptions, Surface};
use std::borrow::Cow;
use std::io::{IsTerminal, stdout};
use std::sync::Arc;

/// The query of the demo, as the prompt's help shows it.
const QUERY: &str = "SELECT word, count(*) AS n FROM (SELECT explode(split(value, ' ')) AS word FROM STREAM lines)
GROUP BY word ORDER BY n DESC, word
OUTPUT MODE complete TRIGGER PROCESSING TIME '1 second'";

/// Batches printed where there is no dashboard.
const BATCHES: u64 = 10;

/// Runs the demo with `rate` lines a second; on a terminal in the dashboard until it is left, else for ten batches.
/// Gives whether it went well.
///
/// # Errors
/// When the feed, the session or the query cannot be started.
pub fn run(rate: u32, dashboards: bool, color: bool) -> Result<bool, Diagnostic> {
    let feed =
        Feed::start(FeedKind::Words, Some(rate), None).map_err(|e| Diagnostic::error(format!("the demo's feed cannot be started: {e}")))?;
    let output = Arc::new(Output::new(Format::Table, Box::new(stdout()), stdout().is_terminal(), Box::new(|| {})));
    let surface = if dashboards { Surface::Prompt } else { Surface::Script };
    let clock = Arc::new(SystemClock::default());
    let mut session =
        Session::new(SessionOptions { output: Arc::clone(&output), surface, arguments: Vec::new(), stdin_is_data: false, clock })?;
    let asked = Asked::listen(session.queries().clone()).map_err(|e| Diagnostic::error(format!("signals cannot be handled: {e}")))?;
    let stream = format!("CREATE STREAM lines USING socket OPTIONS (host '127.0.0.1', port {})", feed.address().port());
    for statement in [stream.as_str(), QUERY] {
        let shown = if color { paint("", statement) } else { Cow::Borrowed(statement) };
        say(&format!("eddy> {shown};\n"));
    }
    say("\n");
    session.execute(&stream)?;
    let Answer::Preview(entry) = session.execute(QUERY)?.answer else {
        return Err(Diagnostic::error("the demo's query is no streaming query: this is a defect of eddy"));
    };
    if dashboards {
        dashboard::open(vec![entry.clone()], 0, session.settings().zone(), &asked)?;
        entry.handle.abandon();
        return Ok(true);
    }
    let batches = || entry.handle.snapshot().progress.back().map_or(0, |p| p.batch_id + 1);
    while batches() < BATCHES && !asked.take_stop() && !asked.leaves() && !output.is_closed() {
        if let Some(ended) = entry.handle.wait(Some(GLANCE)) {
            ended?;
            break;
        }
    }
    entry.handle.stop();
    entry.handle.wait(None).unwrap_or(Ok(()))?;
    stop_all(session.queries(), &asked);
    Ok(true)
}
