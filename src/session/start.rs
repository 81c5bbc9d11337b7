//! Queries: bounded ones are handed out to be run, streaming ones are started.

use super::checkpoint::keep_apart;
use super::create::place;
use super::failure::diagnose;
use super::queries::is_over;
use super::system::SystemRows;
use super::{Answer, Entry, Outcome, Session, Surface, unavailable};
use crate::catalog::{MemoryDef, Relation};
use crate::diagnostic::{Diagnostic, Span};
use crate::engine::eval::{EvalContext, bind};
use crate::engine::query::{KeptState, QuerySettings, QuerySpec, Takeover, kept_state, start};
use crate::engine::sink::console::Screen;
use crate::engine::sink::{self, Sink, SinkContext};
use crate::engine::source;
use crate::engine::source::rate_limit::RateSettings;
use crate::engine::state::spill::SpillSettings;
use crate::engine::watermark::Policy;
use crate::engine::{EngineError, Frame, Resources};
use crate::lang::ast::{self, Ident, OutputModeDef, SinkDef, StreamingQuery, TriggerDef};
use crate::plan::expr::Expr;
use crate::plan::logical::{Column, LogicalPlan};
use crate::plan::places::Places;
use crate::plan::{self, FoldError, Reason, advice, runnable, streaming};
use crate::progress::guarantee::{self, Guarantee, Repeats, guarantee};
use crate::progress::{OutputMode, Trigger};
use crate::types::{Field, Value, quote_if_needed};
use std::sync::{Arc, Mutex, PoisonError};

/// A bounded query, ready to run on whichever thread.
pub struct Bounded {
    plan: LogicalPlan,
    columns: Vec<Column>,
    context: EvalContext,
    resources: Resources,
    system: SystemRows,
    places: Places,
    /// The rows are computed and shown to nobody (INTO noop).
    pub silent: bool,
    /// Where the rows go instead of being shown.
    into: Option<Mutex<Box<dyn Sink>>>,
}

impl Bounded {
    /// The result's columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The session's time zone, for showing the rows.
    pub fn zone(&self) -> chrono_tz::Tz {
        self.context.zone
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// When a source cannot be read or a value cannot be computed.
    pub fn run(&self) -> Result<Frame, Diagnostic> {
        let rows = crate::engine::run_bounded(&self.plan, &self.context, &self.resources, &self.system);
        let frame = rows.map_err(|e| diagnose(e, &self.places))?;
        let Some(sink) = &self.into else { return Ok(frame) };
        let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
        sink::write_once(&mut **sink, &self.columns, &frame, &self.context)?;
        Ok(frame)
    }
}

impl Session {
    /// A query with or without a stream in it.
    pub(super) fn query(&mut self, query: StreamingQuery) -> Result<Outcome, Diagnostic> {
        let analyzed = self.analyze_both(&query.query)?;
        if analyzed.plan.is_streaming() { self.streaming(query, analyzed, None) } else { self.once(&query, analyzed) }
    }

    /// The plan of a query over the session's names.
    pub(super) fn analyze(&self, query: &ast::Query) -> Result<(LogicalPlan, Vec<Diagnostic>), Diagnostic> {
        let analyzed = self.analyze_both(query)?;
        Ok((analyzed.plan, analyzed.warnings))
    }

    /// The plan before and after the optimizer.
    pub(super) fn analyze_both(&self, query: &ast::Query) -> Result<plan::Analyzed, Diagnostic> {
        let fold = Folder(self.eval_context());
        plan::analyze(query, &self.catalog, &self.plan_settings(), &fold).map_err(|e| Diagnostic::from(*e))
    }

    pub(super) fn plan_settings(&self) -> plan::Settings {
        let parameters = self.options.arguments.iter().cloned().collect();
        plan::Settings { zone: self.settings.zone(), parameters, system_tables: super::system::columns(self.queries.clone()) }
    }

    fn query_settings(&self) -> QuerySettings {
        let limit = |key: &str| Some(self.settings.number(key)).filter(|n| *n > 0.0);
        let backpressure = self.settings.flag("spark.streaming.backpressure.enabled").then(|| RateSettings {
            proportional: self.settings.number("spark.streaming.backpressure.pid.proportional"),
            integral: self.settings.number("spark.streaming.backpressure.pid.integral"),
            derived: self.settings.number("spark.streaming.backpressure.pid.derived"),
            min_rate: self.settings.number("spark.streaming.backpressure.pid.minRate"),
            initial_rate: limit("spark.streaming.backpressure.initialRate"),
            max_rate: limit("spark.streaming.receiver.maxRate"),
        });
        QuerySettings {
            partitions: self.settings.count("spark.sql.shuffle.partitions"),
            no_data_batches: self.settings.flag("spark.sql.streaming.noDataMicroBatches.enabled"),
            watermark_policy: match self.settings.get("spark.sql.streaming.multipleWatermarkPolicy") {
                Some(policy) if policy.eq_ignore_ascii_case("max") => Policy::Max,
                _ => Policy::Min,
            },
            recent_progress: self.settings.count("spark.sql.streaming.numRecentProgressUpdates"),
            backpressure,
            spill: self.settings.state_on_disk().then(|| SpillSettings {
                bytes: (self.settings.count("spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB") as u64).saturating_mul(1 << 20),
                shared: self.settings.flag("spark.sql.streaming.stateStore.rocksdb.boundedMemoryUsage"),
            }),
        }
    }

    /// A bounded plan with what it needs to run.
    pub(super) fn bounded(&self, plan: LogicalPlan, places: Places) -> Bounded {
        Bounded {
            columns: plan.columns(),
            plan,
            context: self.eval_context(),
            resources: self.resources.clone(),
            system: SystemRows::new(self.queries.clone()),
            places,
            silent: false,
            into: None,
        }
    }

    pub(super) fn eval_context(&self) -> EvalContext {
        let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "user".to_string());
        EvalContext { zone: self.settings.zone(), now: self.options.clock.now_micros(), batch: 0, user }
    }

    /// A query without a stream runs once: the clauses that only a stream has are refused.
    fn once(&mut self, query: &StreamingQuery, analyzed: plan::Analyzed) -> Result<Outcome, Diagnostic> {
        let plan::Analyzed { plan, places, warnings, .. } = analyzed;
        let needs_stream = |clause: &str, span: Span| {
            Err(Diagnostic::error(format!("{clause} is for streams, and this query reads none: it would run once and end"))
                .condition("WRITE_STREAM_NOT_ALLOWED")
                .at(span))
        };
        if let Some(name) = &query.name {
            let instead = format!("CREATE TABLE {} AS …", quote_if_needed(&name.name));
            return needs_stream("START", name.span).map_err(|e| e.label(instead));
        }
        if let Some((_, span)) = &query.output_mode {
            return needs_stream("OUTPUT MODE", *span);
        }
        if let Some((_, span)) = &query.trigger {
            return needs_stream("TRIGGER", *span);
        }
        if let Some((_, span)) = &query.checkpoint {
            return needs_stream("CHECKPOINT", *span);
        }
        let mut bounded = self.bounded(plan, places);
        if let Some(into) = &query.sink {
            match into.format.name.to_lowercase().as_str() {
                "console" => {}
                "noop" => bounded.silent = true,
                "memory" => return needs_stream("INTO memory", into.format.span).map_err(|e| e.note("instead: CREATE TABLE name AS …")),
                _ => {
                    bounded.into = Some(Mutex::new(self.open_sink(Some(into), None, &bounded.columns, true)?.0));
                    bounded.silent = true;
                }
            }
        }
        Ok(Outcome { warnings, ..Outcome::of(Answer::Bounded(Box::new(bounded))) })
    }

    /// Starts a query that reads streams, where another stood if it takes that one's place.
    pub(super) fn start_streaming(&mut self, query: StreamingQuery, taken: Option<Takeover>) -> Result<Outcome, Diagnostic> {
        let analyzed = self.analyze_both(&query.query)?;
        self.streaming(query, analyzed, taken)
    }

    /// What state a plan would keep, and what it reads.
    pub(super) fn kept_state(&self, plan: &LogicalPlan, mode: OutputMode) -> Result<KeptState, Diagnostic> {
        Ok(kept_state(plan, mode, &self.eval_context(), &self.resources, &self.options.clock)?)
    }

    fn streaming(&mut self, mut query: StreamingQuery, analyzed: plan::Analyzed, taken: Option<Takeover>) -> Result<Outcome, Diagnostic> {
        // From here on the query has this checkpoint, whatever becomes of the setting.
        query.checkpoint = self.checkpoint_clause(&query)?;
        let checkpoint = query.checkpoint.as_ref().map(|clause| self.checkpoint(clause)).transpose()?;
        let held = checkpoint.as_ref().zip(query.checkpoint.as_ref()).map(|(spec, (_, span))| (spec.dir.as_path(), *span));
        let apart = keep_apart(&analyzed.plan, query.sink.as_ref(), held)?;
        let definition = Arc::new(query.clone());
        let trigger = trigger_of(query.trigger.as_ref())?;
        let (mode, why) = mode_of(&analyzed, query.output_mode.as_ref(), &query.query)?;
        mode_fits(mode, &query)?;
        let plan::Analyzed { plan, places, mut warnings, .. } = analyzed;
        warnings.extend(apart);
        let endless = !matches!(trigger, Trigger::AvailableNow | Trigger::Once);
        warnings.extend(advice::streaming_warnings(&plan, mode, endless, &query.query));
        let plan = runnable::runnable(plan);
        if let Some(name) = &query.name {
            self.may_start(name, query.sink.as_ref())?;
        }
        let columns = plan.columns();
        let name = query.name.as_ref().map(|n| n.name.clone());
        let mut taken = taken;
        let (sink, sink_name) = match (taken.as_mut().and_then(|t| t.sink_for(&columns)), &query.sink) {
            (Some(own), Some(into)) => (own, into.format.name.to_lowercase()),
            (Some(own), None) if self.options.surface == Surface::Prompt => (own, "screen".to_string()),
            (Some(own), None) => (own, "console".to_string()),
            (None, into) => self.open_sink(into.as_ref(), name.as_deref(), &columns, false)?,
        };
        let guarantee = self.guarantee(&plan, mode, &sink_name, query.checkpoint.is_some());
        let spec = QuerySpec {
            name: name.clone(),
            plan,
            mode,
            trigger,
            sink,
            guarantee,
            settings: self.query_settings(),
            clock: self.options.clock.clone(),
            eval: self.eval_context(),
            resources: self.resources.clone(),
            checkpoint,
            taken,
        };
        let handle = start(spec).map_err(|e| Diagnostic::from(e).at(query.checkpoint.as_ref().map_or(query.span, |(_, span)| *span)))?;
        let recovery = handle.recovery();
        let entry =
            Entry { handle, name: name.clone(), statement: self.statement, sink: sink_name.clone(), definition, places: Arc::new(places) };
        self.queries.add(entry.clone());
        if let (Some(name), "memory") = (&name, sink_name.as_str()) {
            let fields = columns.into_iter().map(|c| Field::new(c.name, c.data_type)).collect();
            self.catalog.put(Relation::Memory(MemoryDef { name: name.clone(), columns: fields }));
        }
        let mut notes = vec![announce(name.as_deref(), mode, why.as_deref(), trigger, &sink_name)];
        notes.extend(recovery);
        let answer = if name.is_some() { Answer::Started(entry) } else { Answer::Preview(entry) };
        Ok(Outcome { answer, notes, warnings })
    }

    /// What a restart means for a query's rows.
    pub(super) fn guarantee(&self, plan: &LogicalPlan, mode: OutputMode, sink: &str, checkpoint: bool) -> Guarantee {
        let mut sources = Vec::new();
        repeats_of(plan, &mut sources);
        let syncs = self.settings.get("spark.sql.streaming.checkpoint.sync").is_none_or(|sync| sync != "none");
        let whole_result = mode == OutputMode::Complete;
        guarantee(&guarantee::Facts { sources: &sources, checkpoint, syncs, sink: sink::rewrites(sink), whole_result })
    }

    /// Whether the sink of a running query would take another result: asked before the query is stopped for it.
    pub(super) fn may_go_on_as(&self, query: &StreamingQuery, plan: &LogicalPlan, mode: OutputMode) -> Result<(), Diagnostic> {
        mode_fits(mode, query)?;
        let files = query.sink.as_ref().filter(|s| sink::writes_files(&s.format.name.to_lowercase()));
        files.map_or(Ok(()), |into| self.open_sink(Some(into), None, &plan.columns(), false).map(drop))
    }

    /// A name that a running query has, or a memory sink's name that is taken, is refused.
    fn may_start(&self, name: &Ident, into: Option<&SinkDef>) -> Result<(), Diagnostic> {
        let quoted = quote_if_needed(&name.name);
        if self.queries.get(&name.name).is_some_and(|e| !is_over(&e)) {
            return Err(Diagnostic::error(format!("a query `{}` runs already", name.name))
                .at(name.span)
                .label(format!("STOP {quoted} first")));
        }
        let fills = into.is_some_and(|s| s.format.name.eq_ignore_ascii_case("memory"));
        let mine = self.queries.get(&name.name).is_some_and(|e| e.sink == "memory");
        match self.catalog.relation(&name.name) {
            Some(there) if fills && !mine => {
                Err(Diagnostic::error(format!("INTO memory makes a table `{}`, and that name is taken", name.name))
                    .condition("TABLE_OR_VIEW_ALREADY_EXISTS")
                    .at(name.span)
                    .label(format!("a {} has it", super::create::kind_name(there.kind()))))
            }
            _ => Ok(()),
        }
    }

    /// The sink of INTO, or the one that its absence means; with its short name.
    fn open_sink(
        &self,
        into: Option<&SinkDef>,
        name: Option<&str>,
        columns: &[Column],
        bounded: bool,
    ) -> Result<(Box<dyn Sink>, String), Diagnostic> {
        let context = SinkContext {
            output: self.options.output.clone(),
            statement: self.statement,
            query: name.map(str::to_string),
            columns: columns.to_vec(),
            resources: self.resources.clone(),
            partitioned_by: into.map(|i| i.partitioned_by.iter().map(|c| c.name.clone()).collect()).unwrap_or_default(),
            zone: self.settings.zone(),
            bounded,
        };
        let Some(into) = into else {
            return Ok(match self.options.surface {
                Surface::Prompt => (Box::new(Screen), "screen".to_string()),
                Surface::Script => (sink::standard_output(&context), "console".to_string()),
            });
        };
        let format = into.format.name.to_lowercase();
        if let Some(column) = into.partitioned_by.first().filter(|_| sink::exists(&format) && !sink::writes_files(&format)) {
            return Err(Diagnostic::error(format!("PARTITIONED BY is for files, and the sink {format} writes none"))
                .at(column.span)
                .note("do: leave it out, or INTO parquet, csv, json or text"));
        }
        let options: Vec<(String, String)> = into.options.iter().map(|o| (o.key.clone(), o.value.clone())).collect();
        let sink = sink::open(&format, &options, &context).map_err(|e| place_sink(e, into))?;
        Ok((sink, format))
    }
}

fn trigger_of(clause: Option<&(TriggerDef, Span)>) -> Result<Trigger, Diagnostic> {
    let Some((trigger, span)) = clause else { return Ok(Trigger::Default) };
    match trigger {
        TriggerDef::ProcessingTime(micros) if *micros < 0 => Err(Diagnostic::error("a trigger's interval is not negative").at(*span)),
        TriggerDef::ProcessingTime(0) => Ok(Trigger::Default),
        TriggerDef::ProcessingTime(micros) => Ok(Trigger::ProcessingTime(*micros)),
        TriggerDef::AvailableNow => Ok(Trigger::AvailableNow),
        TriggerDef::Once => Ok(Trigger::Once),
        TriggerDef::Continuous(_) => {
            Err(unavailable("TRIGGER CONTINUOUS", *span).note("instead: without TRIGGER a batch runs as soon as data comes"))
        }
        TriggerDef::EveryRows(_) => Err(unavailable("TRIGGER EVERY n ROWS", *span)),
    }
}

/// The mode, checked against the plan; with the words that say why, when nobody asked for one.
pub(super) fn mode_of(
    analyzed: &plan::Analyzed,
    clause: Option<&(OutputModeDef, Span)>,
    query: &ast::Query,
) -> Result<(OutputMode, Option<String>), Diagnostic> {
    let (mode, span) = match clause {
        None => {
            let mode = streaming::default_mode(analyzed);
            streaming::check_query(analyzed, mode, query).map_err(|e| Diagnostic::from(*e))?;
            let why = match mode {
                OutputMode::Append => None,
                OutputMode::Update => Some("append needs a watermark: .help output mode".to_string()),
                OutputMode::Complete => Some("neither append nor update can be: .help output mode".to_string()),
            };
            return Ok((mode, why));
        }
        Some((OutputModeDef::Append, span)) => (OutputMode::Append, span),
        Some((OutputModeDef::Update, span)) => (OutputMode::Update, span),
        Some((OutputModeDef::Complete, span)) => (OutputMode::Complete, span),
        Some((OutputModeDef::Batch { .. }, span)) => return Err(unavailable("OUTPUT MODE BATCH", *span)),
    };
    match streaming::check_query(analyzed, mode, query) {
        Ok(()) => Ok((mode, None)),
        // What is wrong is the mode that was asked for, not the query.
        Err(error) if matches!(error.reason, Reason::OutputMode { .. }) => Err(Diagnostic::from(*error).at(*span)),
        Err(error) => Err(Diagnostic::from(*error)),
    }
}

/// The streams of a plan by name, and whether each gives its rows once more.
fn repeats_of(plan: &LogicalPlan, out: &mut Vec<(String, Repeats)>) {
    match plan {
        LogicalPlan::Scan(scan) if scan.streaming => out.push((scan.name.clone(), source::repeats(scan))),
        other => other.inputs().into_iter().for_each(|input| repeats_of(input, out)),
    }
}

/// Files are only added to: a sink of files takes rows that never change.
fn mode_fits(mode: OutputMode, query: &StreamingQuery) -> Result<(), Diagnostic> {
    let Some(into) = query.sink.as_ref().filter(|s| sink::writes_files(&s.format.name.to_lowercase())) else { return Ok(()) };
    if mode == OutputMode::Append {
        return Ok(());
    }
    let format = into.format.name.to_lowercase();
    let error = match &query.output_mode {
        Some((_, span)) => Diagnostic::error(format!(
            "the sink {format} does not take the output mode {}: rows in files are never changed again",
            mode.name()
        ))
        .at(*span)
        .label("OUTPUT MODE APPEND, or leave it out"),
        None => Diagnostic::error(format!(
            "the sink {format} takes rows that will never change (append), and this query can only run in {} mode",
            mode.name()
        ))
        .at(into.format.span)
        .note("do: with a WATERMARK, and a window or the event time among the keys, groups come out once and for all")
        .note("or: INTO memory or INTO console takes rows that change"),
    };
    Err(error.condition("STREAMING_OUTPUT_MODE.UNSUPPORTED_DATASOURCE"))
}

/// An engine's refusal of a sink with the option or the column of PARTITIONED BY that it speaks of.
fn place_sink(error: EngineError, into: &SinkDef) -> Diagnostic {
    let message = error.failure().message.clone();
    let named = into.partitioned_by.iter().rev().find(|c| message.contains(&format!("`{}`", c.name)));
    match named.or(into.partitioned_by.first()) {
        Some(column) if message.contains("PARTITIONED BY") => Diagnostic::from(error).at(column.span),
        _ => place(error, &into.format, &into.options),
    }
}

/// `counts · running · update mode (append needs a watermark: .help output mode) · every 2 seconds`
fn announce(name: Option<&str>, mode: OutputMode, why: Option<&str>, trigger: Trigger, sink: &str) -> String {
    let mut line = String::new();
    if let Some(name) = name {
        line.push_str(&format!("{name} · running · "));
    }
    line.push_str(&format!("{} mode", mode.name()));
    if let Some(why) = why {
        line.push_str(&format!(" ({why})"));
    }
    line.push_str(" · ");
    line.push_str(match trigger {
        Trigger::Default | Trigger::ProcessingTime(_) => "a batch ",
        Trigger::AvailableNow | Trigger::Once => "",
    });
    line.push_str(&trigger_text(trigger));
    match (name, sink) {
        (Some(name), "memory") => line.push_str(&format!(" · into the table {}", quote_if_needed(name))),
        (_, "screen" | "console") => {}
        (_, sink) => line.push_str(&format!(" · into {sink}")),
    }
    line
}

/// When batches run, in words.
pub(super) fn trigger_text(trigger: Trigger) -> String {
    match trigger {
        Trigger::Default => "as soon as data comes".to_string(),
        Trigger::ProcessingTime(micros) => format!("every {}", duration_text(micros)),
        Trigger::AvailableNow => "all that is there, then the end".to_string(),
        Trigger::Once => "one batch, then the end".to_string(),
    }
}

/// `2 s`, `1.5 s`, `200 ms`, `5 min`
fn duration_text(micros: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "text for people")]
    let seconds = micros as f64 / 1e6;
    match micros {
        m if m % 60_000_000 == 0 => format!("{} min", m / 60_000_000),
        m if m < 1_000_000 => format!("{} ms", seconds * 1e3),
        _ => format!("{seconds} s"),
    }
}

/// Folds constants with the engine's own evaluator.
pub(super) struct Folder(pub(super) EvalContext);

impl plan::Fold for Folder {
    fn fold(&self, expr: &Expr) -> Result<Value, FoldError> {
        let value = bind(expr).and_then(|bound| bound.evaluate_scalar(&self.0));
        value.map_err(|e| FoldError { condition: e.failure().condition.clone(), message: e.failure().message.clone() })
    }
}
