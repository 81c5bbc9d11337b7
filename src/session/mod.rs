//! The front door of the prompt, of scripts and of the demo: a statement's text in, an [`Outcome`] out.
//!
//! ```text
//! text ─ lang::parse_statement ─▸ Statement ─ one verb here ─▸ Outcome { answer, notes, warnings }
//! ```
//!
//! A session never waits: what takes time (a bounded query, a preview, AWAIT) comes back as an [`Answer`] that the
//! prompt or the script runs, because only they know what Ctrl-C means there.

mod change;
mod checkpoint;
mod create;
mod describe;
mod failure;
mod function;
mod headless;
mod infer;
pub mod interrupt;
mod queries;
mod query_tables;
mod rows;
mod script;
mod settings;
mod show;
mod start;
mod system;

pub use failure::diagnose;
pub use headless::{HeadlessRun, headless};
pub use queries::{Entry, Queries, is_over};
pub use script::{ScriptOptions, run_script};
pub use settings::{SETTINGS, SettingTable};
pub use start::Bounded;

use crate::catalog::Catalog;
use crate::diagnostic::{Diagnostic, Span, nearest};
use crate::engine::clock::Clock;
use crate::engine::query::QueryHandle;
use crate::engine::sink::console::{Origin, Output};
use crate::engine::source::receivers::Receiver;
use crate::engine::{Frame, Resources};
use crate::lang::ast::{ControlAction, Ident, Statement, Target};
use crate::plan::logical::Column;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// What the session's surroundings give it.
#[derive(Clone)]
pub struct SessionOptions {
    /// Where rows go that nobody sends elsewhere.
    pub output: Arc<Output>,
    /// Who reads them.
    pub surface: Surface,
    /// Values of `:name`, as text.
    pub arguments: Vec<(String, String)>,
    /// Standard input is neither the prompt nor the script, so USING stdin may read it.
    pub stdin_is_data: bool,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// Who is at the other end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// A person at the prompt: a streaming query without INTO keeps its batches for the dashboard.
    Prompt,
    /// A script: a streaming query without INTO writes its batches to the output.
    Script,
}

/// What came of a statement.
pub struct Outcome {
    /// What to show or to wait for.
    pub answer: Answer,
    /// Lines for people: what was made, which mode was taken.
    pub notes: Vec<String>,
    /// What a learner would want to know.
    pub warnings: Vec<Diagnostic>,
}

/// What there is to show or to wait for.
pub enum Answer {
    /// Nothing.
    Done,
    /// Rows that are here already; for people, with sentences beneath.
    Rows { columns: Vec<Column>, frame: Frame, beneath: Vec<String> },
    /// Text for people, under a column's name where only rows will do.
    Text { column: &'static str, text: String },
    /// A bounded query, to be run.
    Bounded(Box<Bounded>),
    /// A query that runs beside what follows.
    Started(Entry),
    /// A query that runs in the foreground until it ends or its view is left.
    Preview(Entry),
    /// AWAIT: wait for the query's end, at most so long.
    Wait { entry: Entry, timeout: Option<Duration> },
    /// SOURCE: run this script's statements now.
    Script { path: String, text: String },
}

/// One session: names, settings and queries.
pub struct Session {
    options: SessionOptions,
    catalog: Catalog,
    settings: SettingTable,
    resources: Resources,
    queries: Queries,
    /// Socket streams that are connected before a query reads them, by their names in lower case.
    watched: HashMap<String, Arc<Receiver>>,
    /// The number of the statement at hand, from 1.
    statement: u64,
}

impl Session {
    /// A session without names.
    ///
    /// # Errors
    /// When the worker threads cannot be started.
    pub fn new(options: SessionOptions) -> Result<Session, Diagnostic> {
        Ok(Session {
            options,
            catalog: Catalog::default(),
            settings: SettingTable::default(),
            resources: Resources::new(0)?,
            queries: Queries::default(),
            watched: HashMap::new(),
            statement: 0,
        })
    }

    /// Runs one statement; spans of what it complains of point into `text`.
    ///
    /// # Errors
    /// With the reason for which the statement is refused; the session is as it was before it.
    pub fn execute(&mut self, text: &str) -> Result<Outcome, Diagnostic> {
        match crate::lang::parse_statement(text).map_err(|e| Diagnostic::from(*e))? {
            Statement::CreateSource(create) => self.create_source(create),
            Statement::CreateTableAs { or_replace, if_not_exists, name, query } => {
                self.create_table_as(or_replace, if_not_exists, &name, &query)
            }
            Statement::CreateView { or_replace, name, query, .. } => self.create_view(or_replace, &name, query),
            Statement::CreateFunction(create) => self.create_function(*create),
            Statement::DropFunction { if_exists, name } => self.drop_function(if_exists, &name),
            Statement::Drop { kind, if_exists, name } => self.drop_relation(kind, if_exists, &name),
            Statement::Query(query) => self.query(*query),
            Statement::Show { what, like } => self.show(what, like.as_deref()),
            Statement::Describe(what) => self.describe(what),
            Statement::InferSchema { name, limit } => self.infer_schema(&name, limit),
            Statement::Explain { extended, query } => self.explain(extended, &query),
            Statement::Control { action, target } => self.control(action, &target),
            Statement::Crash { name, after } => self.crash(&name, after),
            Statement::AlterQuery { name, query } => self.alter_query(&name, *query),
            Statement::Await { name, timeout } => self.wait(&name, timeout),
            Statement::Set { key, value, span, value_span } => self.set(key, value, span, value_span),
            Statement::Reset { key, span } => self.reset(key, span),
            Statement::Source { path, span } => source(path, span),
            Statement::Unavailable { what, span } => Err(unavailable(&what, span)),
        }
    }

    /// Numbers the statement that comes next, for what it writes.
    pub fn number(&mut self, statement: u64) {
        self.statement = statement;
    }

    /// Where the rows of the statement at hand belong.
    pub fn origin(&self) -> Origin {
        Origin { statement: self.statement, query: None }
    }

    /// Where rows go that nobody sends elsewhere.
    pub fn output(&self) -> &Arc<Output> {
        &self.options.output
    }

    /// The names of the session.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The settings of the session.
    pub fn settings(&self) -> &SettingTable {
        &self.settings
    }

    /// The queries of the session.
    pub fn queries(&self) -> &Queries {
        &self.queries
    }

    /// The time.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.options.clock
    }

    fn set(&mut self, key: Option<String>, value: Option<String>, span: Span, value_span: Span) -> Result<Outcome, Diagnostic> {
        match (key, value) {
            (None, _) => Ok(self.show_settings()),
            (Some(key), None) => self.show_setting(&key).map_err(|e| e.at(span)),
            (Some(key), Some(value)) => {
                let known = SETTINGS.iter().any(|s| s.key.eq_ignore_ascii_case(&key));
                let warning = self.settings.set(&key, &value).map_err(|e| e.at(if known { value_span } else { span }))?;
                Ok(Outcome { warnings: warning.map(|w| w.at(span)).into_iter().collect(), ..Outcome::done() })
            }
        }
    }

    fn reset(&mut self, key: Option<String>, span: Span) -> Result<Outcome, Diagnostic> {
        self.settings.reset(key.as_deref()).map_err(|e| e.at(span))?;
        Ok(Outcome::done())
    }

    fn control(&mut self, action: ControlAction, target: &Target) -> Result<Outcome, Diagnostic> {
        let entries = match target {
            Target::Named(name) => vec![self.started(name)?],
            Target::All => self.queries.running(),
        };
        let mut notes = Vec::new();
        for entry in entries {
            match (action, is_over(&entry)) {
                (ControlAction::Resume, true) => notes.extend(self.resume_ended(&entry, target)?),
                _ => notes.push(control_one(action, &entry)?),
            }
        }
        if notes.is_empty() {
            notes.push("no query runs".to_string());
        }
        Ok(Outcome { notes, ..Outcome::done() })
    }

    fn wait(&self, name: &Ident, timeout: Option<i64>) -> Result<Outcome, Diagnostic> {
        let timeout = timeout.map(|micros| Duration::from_micros(u64::try_from(micros).unwrap_or(0)));
        Ok(Outcome::of(Answer::Wait { entry: self.started(name)?, timeout }))
    }

    /// The query of that name, running or ended.
    fn started(&self, name: &Ident) -> Result<Entry, Diagnostic> {
        self.queries.get(&name.name).ok_or_else(|| {
            let names: Vec<String> = self.queries.named().into_iter().filter_map(|e| e.name).collect();
            let error = Diagnostic::error(format!("there is no query `{}`", name.name)).at(name.span);
            suggest(error, &name.name, &names, "queries")
        })
    }
}

impl Outcome {
    /// Nothing to show.
    fn done() -> Outcome {
        Outcome::of(Answer::Done)
    }

    fn of(answer: Answer) -> Outcome {
        Outcome { answer, notes: Vec::new(), warnings: Vec::new() }
    }

    fn note(note: impl Into<String>) -> Outcome {
        Outcome { notes: vec![note.into()], ..Outcome::done() }
    }
}

/// How long STOP waits for the batch in flight before it lets it end by itself.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

fn control_one(action: ControlAction, entry: &Entry) -> Result<String, Diagnostic> {
    let name = entry.name.as_deref().unwrap_or("the query");
    if is_over(entry) {
        if action == ControlAction::Stop {
            // What a failed query holds on to for RESUME, such as its connection, is let go.
            entry.handle.forget();
        }
        return Ok(format!("{name} · ended already"));
    }
    Ok(match action {
        ControlAction::Pause => {
            entry.handle.pause();
            format!("{name} · paused: RESUME {name} goes on from here")
        }
        ControlAction::Resume => {
            entry.handle.resume()?;
            format!("{name} · running")
        }
        ControlAction::Stop => {
            entry.handle.stop();
            match entry.handle.wait(Some(STOP_PATIENCE)) {
                Some(_) => format!("{name} · stopped after {}", batches(&entry.handle)),
                None => format!("{name} · stops when its batch in flight is done"),
            }
        }
    })
}

fn batches(handle: &QueryHandle) -> String {
    match handle.snapshot().progress.back() {
        None => "no batch".to_string(),
        Some(last) if last.batch_id == 0 => "1 batch".to_string(),
        Some(last) => format!("{} batches", last.batch_id + 1),
    }
}

/// The longest script that SOURCE reads, in bytes.
const SCRIPT_LIMIT: u64 = 16 * 1024 * 1024;

fn source(path: String, span: Span) -> Result<Outcome, Diagnostic> {
    let refuse = |why: String| Diagnostic::error(format!("`{path}` cannot be read: {why}")).at(span);
    let size = std::fs::metadata(&path).map_err(|e| refuse(e.to_string()))?.len();
    if size > SCRIPT_LIMIT {
        return Err(refuse(format!("it has {size} bytes, a script at most {SCRIPT_LIMIT}")));
    }
    let bytes = std::fs::read(&path).map_err(|e| refuse(e.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|e| refuse(format!("it is no UTF-8 text (byte {})", e.utf8_error().valid_up_to())))?;
    Ok(Outcome::of(Answer::Script { path, text }))
}

/// The refusal of something that LANGUAGE.md has and this version does not.
fn unavailable(what: &str, span: Span) -> Diagnostic {
    Diagnostic::error(format!("{what} is not available in this version")).at(span).label("not yet")
}

/// `error` with the nearest of `names`, or with all of them.
fn suggest(error: Diagnostic, name: &str, names: &[String], what: &str) -> Diagnostic {
    match nearest(name, names.iter().map(String::as_str)) {
        Some(near) => error.label(format!("did you mean `{near}`?")),
        None if names.is_empty() => error.note(format!("in sight: no {what} yet")),
        None => error.note(format!("in sight: {}", names.join(", "))),
    }
}
