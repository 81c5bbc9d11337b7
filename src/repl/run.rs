//! The loop of the prompt.

use super::command::{Command, parse};
use super::complete::{self, Names};
use super::printer::PromptWriter;
use super::{Asked, GLANCE, dashboard, highlight, history, say, status, stop_all};
use crate::diagnostic::{Diagnostic, SourceText, Span, draw_for_terminal, printable_lines};
use crate::engine::clock::{Clock, SystemClock};
use crate::engine::pool::STACK;
use crate::engine::sink::console::{Format, Output, TableStyle};
use crate::lang::{is_complete, split};
use crate::session::{Answer, Bounded, Entry, Outcome, Session, SessionOptions, Surface, diagnose};
use rustyline::error::ReadlineError;
use rustyline::highlight::CmdKind;
use rustyline::history::FileHistory;
use rustyline::{ColorMode, CompletionType, Config, Editor};
use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// What a table shows of a result at the prompt: more scrolls away unread.
const PROMPT_STYLE: TableStyle = TableStyle { rows: Some(1000), cell: Some(120), vertical: false, width: None };

/// How many scripts may be within one another.
const MAX_DEPTH: usize = 16;

/// Runs the prompt until the user leaves. `dashboards`: both ends are a terminal; `arguments` are the values of `:name`.
///
/// # Errors
/// When the session or the terminal cannot be set up.
pub fn run(color: bool, dashboards: bool, arguments: Vec<(String, String)>) -> Result<(), Diagnostic> {
    let writer = PromptWriter::default();
    let output = Output::new(Format::Table, Box::new(writer.clone()), true, Box::new(|| {})).style(PROMPT_STYLE);
    let surface = if dashboards { Surface::Prompt } else { Surface::Script };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let session = Session::new(SessionOptions { output: Arc::new(output), surface, arguments, stdin_is_data: false, clock })?;
    let asked = Asked::listen(session.queries().clone()).map_err(terminal)?;
    let mut editor = editor(color).map_err(terminal)?;
    let history = history::file();
    if let Some(path) = &history {
        // An unreadable history is no reason not to start.
        let _ = editor.load_history(path);
    }
    if let Ok(printer) = editor.create_external_printer() {
        writer.attach(printer);
    }
    say(&format!("eddy {} · type a query, .help or .demo\n", env!("CARGO_PKG_VERSION")));
    let mut prompt = Prompt { session, asked, editor, history, dashboards, color, timing: false, told: Vec::new() };
    prompt.read_all();
    stop_all(prompt.session.queries(), &prompt.asked);
    Ok(())
}

struct Prompt {
    session: Session,
    asked: Arc<Asked>,
    editor: Editor<Typing, FileHistory>,
    history: Option<PathBuf>,
    dashboards: bool,
    color: bool,
    timing: bool,
    told: Vec<String>,
}

/// What a read line means for the loop.
enum Read {
    Text(String),
    /// Ctrl-C: forget the statement.
    Cleared,
    Leave,
}

impl Prompt {
    fn read_all(&mut self) {
        while !self.asked.leaves() {
            match self.read_statement() {
                Read::Text(text) if text.trim().is_empty() => {}
                Read::Text(text) if text.trim_start().starts_with('.') => match parse(&text) {
                    Command::Quit => return,
                    Command::Say(text) => say(&text),
                    Command::Timing => {
                        self.timing = !self.timing;
                        say(if self.timing { "  timing is on\n" } else { "  timing is off\n" });
                    }
                    Command::Dash(name) => self.dash(name.as_deref()),
                },
                Read::Text(text) => self.run_all(&SourceText::new("<prompt>", text), 0),
                Read::Cleared => {}
                Read::Leave => return,
            }
        }
    }

    /// Lines up to the `;` of a statement, or one line of a dot command.
    fn read_statement(&mut self) -> Read {
        self.show_status();
        let width = self.editor.dimensions().map_or(0, |(columns, _)| usize::from(columns));
        self.session.output().fit(width);
        let queries = self.session.queries().named().into_iter().filter_map(|e| e.name).collect();
        let names = Names::new(self.session.catalog(), queries);
        if let Some(typing) = self.editor.helper_mut() {
            typing.names = names;
            typing.before.clear();
        }
        let mut text = String::new();
        loop {
            let line = match self.editor.readline(if text.is_empty() { "eddy> " } else { "  ... " }) {
                Ok(line) => line,
                Err(ReadlineError::Eof) if text.is_empty() => return Read::Leave,
                Err(ReadlineError::Interrupted | ReadlineError::Eof | ReadlineError::Signal(_)) => {
                    return if self.asked.leaves() { Read::Leave } else { Read::Cleared };
                }
                Err(error) => {
                    say(&format!("  the terminal cannot be read: {error}\n"));
                    return Read::Leave;
                }
            };
            if text.is_empty() && (line.trim().is_empty() || line.trim_start().starts_with('.')) {
                self.remember(&line);
                return Read::Text(line);
            }
            text.push_str(&line);
            if is_complete(&text) {
                self.remember(&text);
                return Read::Text(text);
            }
            text.push('\n');
            if let Some(typing) = self.editor.helper_mut() {
                typing.before.clone_from(&text);
            }
        }
    }

    fn remember(&mut self, text: &str) {
        // A history that cannot be written is no reason to refuse a statement.
        if self.editor.add_history_entry(text).unwrap_or(false)
            && let Some(path) = &self.history
        {
            let _ = self.editor.append_history(path);
        }
    }

    fn show_status(&mut self) {
        let failures = status::failures(self.session.queries(), &mut self.told);
        let lines = status::lines(self.session.queries());
        if !failures.is_empty() || !lines.is_empty() {
            say(&format!("{failures}{lines}"));
        }
    }

    /// The statements of a text, one after the other; the first that fails ends it.
    fn run_all(&mut self, source: &SourceText, depth: usize) {
        for (index, statement) in split(&source.text).enumerate() {
            let started = self.session.clock().ticks();
            self.session.number(index as u64 + 1);
            self.asked.take_stop();
            let text = &source.text[statement.span.range()];
            let done = self.session.execute(text).and_then(|outcome| self.finish(outcome, source, statement.span, depth));
            if let Err(error) = done {
                complain(&error, source, statement.span, self.color);
                return;
            }
            if self.timing {
                let micros = (self.session.clock().ticks() - started) / 1000;
                say(&format!("  {}.{:03} ms\n", micros / 1000, micros % 1000));
            }
            if self.asked.leaves() {
                return;
            }
        }
    }

    fn finish(&mut self, outcome: Outcome, source: &SourceText, span: Span, depth: usize) -> Result<(), Diagnostic> {
        for warning in &outcome.warnings {
            complain(warning, source, span, self.color);
        }
        for note in &outcome.notes {
            say(&printable_lines(&format!("  {note}\n")));
        }
        let origin = self.session.origin();
        let output = Arc::clone(self.session.output());
        match outcome.answer {
            Answer::Done | Answer::Started(_) => {}
            Answer::Rows { columns, frame, beneath } => {
                output.rows(&origin, &columns, &frame, self.session.settings().zone())?;
                output.beneath(&beneath)?;
            }
            Answer::Text { column, text } => output.text(&origin, column, &text)?,
            Answer::Bounded(bounded) => self.bounded(*bounded)?,
            Answer::Preview(entry) => self.preview(&entry)?,
            Answer::Wait { entry, timeout } => self.wait(&entry, timeout),
            Answer::Script { path, .. } if depth >= MAX_DEPTH => {
                return Err(Diagnostic::error(format!("`{path}` is the {MAX_DEPTH}th script within another; does it read itself?")));
            }
            Answer::Script { path, text } => self.run_all(&SourceText::new(path, text), depth + 1),
        }
        Ok(())
    }

    /// Runs a bounded query on a thread of its own, so that Ctrl-C gives the prompt back at once.
    fn bounded(&mut self, bounded: Bounded) -> Result<(), Diagnostic> {
        let bounded = Arc::new(bounded);
        let (sender, receiver) = mpsc::channel();
        let worker = Arc::clone(&bounded);
        std::thread::Builder::new()
            .name("bounded".to_string())
            .stack_size(STACK)
            .spawn(move || {
                // Nobody waits any more after Ctrl-C.
                let _ = sender.send(worker.run());
            })
            .map_err(|e| Diagnostic::error(format!("no thread for the query: {e}")))?;
        loop {
            match receiver.recv_timeout(GLANCE) {
                Ok(result) => {
                    let frame = result?;
                    if !bounded.silent {
                        self.session.output().rows(&self.session.origin(), bounded.columns(), &frame, bounded.zone())?;
                    }
                    return Ok(());
                }
                Err(mpsc::RecvTimeoutError::Timeout) if self.asked.take_stop() || self.asked.leaves() => {
                    say("  given up\n");
                    return Ok(());
                }
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(Diagnostic::error("the query broke down: this is a defect of eddy"));
                }
            }
        }
    }

    /// Shows a preview until it ends or is left; leaving it abandons it.
    fn preview(&mut self, entry: &Entry) -> Result<(), Diagnostic> {
        if self.dashboards {
            let mut entries = vec![entry.clone()];
            entries.extend(self.session.queries().named());
            dashboard::open(entries, 0, self.session.settings().zone(), &self.asked)?;
        } else {
            while entry.handle.wait(Some(GLANCE)).is_none() {
                if self.asked.take_stop() || self.asked.leaves() {
                    break;
                }
            }
        }
        let failure = entry.handle.wait(Some(Duration::ZERO)).and_then(Result::err);
        entry.handle.abandon();
        failure.map_or(Ok(()), |e| Err(diagnose(e, &entry.places)))
    }

    /// AWAIT: until the query ends, the time is over, or Ctrl-C.
    fn wait(&mut self, entry: &Entry, timeout: Option<Duration>) {
        let started = self.session.clock().ticks();
        while entry.handle.wait(Some(GLANCE)).is_none() {
            let waited = Duration::from_nanos(self.session.clock().ticks() - started);
            if timeout.is_some_and(|t| waited >= t) || self.asked.take_stop() || self.asked.leaves() {
                return;
            }
        }
    }

    fn dash(&mut self, name: Option<&str>) {
        let entries = self.session.queries().named();
        if entries.is_empty() {
            say("  no query was started yet: START name AS SELECT …\n");
            return;
        }
        let chosen = match name {
            None => Some(entries.len() - 1),
            Some(name) => entries.iter().position(|e| e.name.as_deref().is_some_and(|n| n.eq_ignore_ascii_case(name))),
        };
        match chosen {
            None => {
                let names: Vec<String> = entries.into_iter().filter_map(|e| e.name).collect();
                say(&format!("  there is no query {}; queries: {}\n", name.unwrap_or_default(), names.join(", ")));
            }
            Some(_) if !self.dashboards => say("  the dashboard needs a terminal on standard output\n"),
            Some(chosen) => {
                if let Err(error) = dashboard::open(entries, chosen, self.session.settings().zone(), &self.asked) {
                    say(&draw_for_terminal(&error, None, self.color));
                }
            }
        }
    }
}

/// What the line editor asks while a line is typed.
struct Typing {
    names: Names,
    /// Earlier lines of the statement.
    before: String,
    color: bool,
}

impl rustyline::Helper for Typing {}

impl rustyline::validate::Validator for Typing {}

impl rustyline::hint::Hinter for Typing {
    type Hint = String;
}

impl rustyline::highlight::Highlighter for Typing {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.color { highlight::paint(&self.before, line) } else { Cow::Borrowed(line) }
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.color && kind != CmdKind::MoveCursor
    }
}

impl rustyline::completion::Completer for Typing {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &rustyline::Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(complete::complete(&self.names, &self.before, line, pos))
    }
}

fn editor(color: bool) -> rustyline::Result<Editor<Typing, FileHistory>> {
    let config = Config::builder()
        .max_history_size(history::LIMIT)?
        .history_ignore_dups(true)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .color_mode(if color { ColorMode::Enabled } else { ColorMode::Disabled })
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Typing { names: Names::default(), before: String::new(), color }));
    Ok(editor)
}

/// A message over the text that was typed.
fn complain(diagnostic: &Diagnostic, source: &SourceText, statement: Span, color: bool) {
    let mut diagnostic = diagnostic.clone();
    let start = statement.start as usize;
    diagnostic.span = diagnostic.span.map(|s| Span::new(start + s.start as usize, start + s.end as usize));
    say(&draw_for_terminal(&diagnostic, Some(source), color));
}

fn terminal(error: impl std::fmt::Display) -> Diagnostic {
    Diagnostic::error(format!("the terminal cannot be used: {error}"))
}
