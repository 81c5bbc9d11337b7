//! Scripts: statements in order, output for people or programs, an answer for the exit status.
//!
//! A query without a name runs to its end before the next statement; started ones go on beside it and are awaited
//! when the script is through. Signals stop all of them after their batch in flight (see [`super::interrupt`]).

use super::failure::diagnose;
use super::queries::{Entry, is_over};
use super::{Answer, Outcome, Session};
use crate::diagnostic::{Diagnostic, SourceText, Span, draw_for_terminal, printable_lines};
use crate::engine::sink::console::Format;
use crate::lang::split;
use std::io::Write;
use std::rc::Rc;
use std::time::Duration;

/// How a script is run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptOptions {
    /// Go on after a statement that failed.
    pub keep_going: bool,
    /// Colour in messages.
    pub color: bool,
}

/// How many scripts may be within one another.
const MAX_DEPTH: usize = 16;

/// How often the queries that a script waits for are looked at: one of them may fail while another runs on.
const GLANCE: Duration = Duration::from_millis(50);

/// Runs a script to its end; errors go to standard error. Gives whether all went well.
pub fn run_script(session: &mut Session, source: &SourceText, options: ScriptOptions) -> bool {
    let mut run = Run { session, options, failed: false, told: Vec::new(), started: Vec::new() };
    run.statements(&Rc::new(source.clone()), 0);
    run.await_started();
    !run.failed
}

struct Run<'a> {
    session: &'a mut Session,
    options: ScriptOptions,
    failed: bool,
    /// Runs whose failure AWAIT told already.
    told: Vec<String>,
    /// Where the queries that go on beside the script were written, by their runs.
    started: Vec<(String, Place)>,
}

impl Run<'_> {
    /// All statements of a script; within SOURCE they count as the statement that named it.
    fn statements(&mut self, source: &Rc<SourceText>, depth: usize) {
        for (index, statement) in split(&source.text).enumerate() {
            if self.is_over() {
                return;
            }
            if depth == 0 {
                self.session.number(index as u64 + 1);
            }
            let text = &source.text[statement.span.range()];
            let place = Place { source: Rc::clone(source), span: statement.span };
            let done = self.session.execute(text).and_then(|outcome| self.finish(outcome, depth, &place));
            if let Err(error) = done {
                self.report(&error, Some(&place));
            }
        }
    }

    /// Whether the next statement is not to run: an error came, a signal came, or nobody reads.
    fn is_over(&self) -> bool {
        (self.failed && !self.options.keep_going) || self.session.queries().is_closed() || self.session.output().is_closed()
    }

    /// Shows what came of a statement and waits for what it has to wait for.
    fn finish(&mut self, outcome: Outcome, depth: usize, place: &Place) -> Result<(), Diagnostic> {
        for warning in &outcome.warnings {
            complain(warning, Some(place), self.options.color);
        }
        if self.session.output().format() == Format::Table {
            for note in &outcome.notes {
                say(&printable_lines(&format!("  {note}\n")));
            }
        }
        let origin = self.session.origin();
        let output = self.session.output().clone();
        match outcome.answer {
            Answer::Done => {}
            Answer::Started(entry) => self.started.push((entry.handle.snapshot().run_id, place.clone())),
            Answer::Rows { columns, frame, beneath } => {
                output.rows(&origin, &columns, &frame, self.session.settings().zone())?;
                output.beneath(&beneath)?;
            }
            Answer::Text { column, text } => output.text(&origin, column, &text)?,
            Answer::Bounded(bounded) => {
                let frame = bounded.run()?;
                if !bounded.silent {
                    output.rows(&origin, bounded.columns(), &frame, bounded.zone())?;
                }
            }
            Answer::Preview(entry) => ended(&entry, None)?,
            Answer::Wait { entry, timeout } => {
                if let Err(error) = ended(&entry, timeout) {
                    let run = entry.handle.snapshot().run_id;
                    let place = self.started.iter().find(|(id, _)| *id == run).map(|(_, place)| place.clone());
                    self.told.push(run);
                    self.report(&error, place.as_ref());
                }
            }
            Answer::Script { path, .. } if depth >= MAX_DEPTH => {
                return Err(Diagnostic::error(format!("`{path}` is the {MAX_DEPTH}th script within another; does it read itself?")));
            }
            Answer::Script { path, text } => self.statements(&Rc::new(SourceText::new(path, text)), depth + 1),
        }
        Ok(())
    }

    /// Waits for the started queries; unless it is to go on, the first failure ends them all.
    fn await_started(&mut self) {
        if self.is_over() {
            self.session.queries().close();
        }
        let mut waiting = self.session.queries().named();
        while !waiting.is_empty() {
            let over: Vec<Entry> = waiting.iter().filter(|e| is_over(e)).cloned().collect();
            waiting.retain(|e| !over.iter().any(|o| o.statement == e.statement && o.name == e.name));
            for entry in over {
                let run = entry.handle.snapshot().run_id;
                if self.told.contains(&run) {
                    continue;
                }
                if let Err(error) = ended(&entry, None) {
                    self.session.number(entry.statement);
                    let place = self.started.iter().find(|(id, _)| *id == run).map(|(_, place)| place.clone());
                    self.report(&error, place.as_ref());
                    if !self.options.keep_going {
                        self.session.queries().close();
                    }
                }
            }
            if let Some(first) = waiting.first() {
                first.handle.wait(Some(GLANCE));
            }
        }
    }

    /// An error on standard error, and in the output where that has a line for it.
    fn report(&mut self, error: &Diagnostic, place: Option<&Place>) {
        self.failed = true;
        complain(error, place, self.options.color);
        if self.options.keep_going {
            let statement = self.session.origin().statement;
            // The output has its own way to say that it is closed or broken.
            let _ = self.session.output().failure(statement, &error.to_string());
        }
    }
}

/// Where a statement stands.
#[derive(Clone)]
struct Place {
    source: Rc<SourceText>,
    span: Span,
}

/// Waits for a query's end; its failure becomes an error.
fn ended(entry: &Entry, timeout: Option<Duration>) -> Result<(), Diagnostic> {
    match entry.handle.wait(timeout) {
        Some(Err(error)) => {
            let mut error = diagnose(error, &entry.places);
            if let Some(name) = &entry.name {
                error.notes.push(format!("query: {name}"));
            }
            Err(error)
        }
        _ => Ok(()),
    }
}

/// Draws a message over the whole script, so that the line numbers are the script's.
fn complain(diagnostic: &Diagnostic, place: Option<&Place>, color: bool) {
    let mut diagnostic = diagnostic.clone();
    if let Some(Place { span, .. }) = place {
        let start = span.start as usize;
        diagnostic.span = diagnostic.span.map(|s| Span::new(start + s.start as usize, start + s.end as usize));
    }
    say(&draw_for_terminal(&diagnostic, place.map(|p| &*p.source), color));
}

/// Standard error may be closed; then there is nobody to tell.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
