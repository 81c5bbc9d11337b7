//! Queries that read no stream: they run once.

use super::build::{Builder, Surroundings};
use super::columns::null_series;
use super::node::{Batch, Node};
use super::operator::{BatchContext, run};
use super::source::{self, ReadTask, SourceContext};
use super::{EngineError, Frame, Resources};
use crate::engine::clock::SystemClock;
use crate::engine::eval::EvalContext;
use crate::plan::LogicalPlan;
use crate::plan::logical::{Column, Scan};
use crate::types::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Supplies the rows of tables about queries: `queries()`, `progress('q')`.
pub trait SystemTables {
    /// The rows of `function(args)`; the frame's columns are `columns`, under their ids.
    fn rows(&self, function: &str, args: &[Value], columns: &[Column]) -> Result<Frame, EngineError>;
}

/// Where there are no tables about queries.
pub struct NoSystemTables;

impl SystemTables for NoSystemTables {
    fn rows(&self, function: &str, _args: &[Value], _columns: &[Column]) -> Result<Frame, EngineError> {
        Err(EngineError::user(format!("{function}() cannot be read inside a streaming query")))
    }
}

/// Runs a bounded query to its end; the frame has the plan's columns in their order.
///
/// # Errors
/// A source that cannot be read, a value that cannot be computed.
pub fn run_bounded(plan: &LogicalPlan, eval: &EvalContext, resources: &Resources, system: &dyn SystemTables) -> Result<Frame, EngineError> {
    let around = Surroundings {
        eval: eval.clone(),
        resources: resources.clone(),
        clock: Arc::new(SystemClock::default()),
        wake: Arc::default(),
        query: String::new(),
        system,
    };
    let mut built = Builder::bounded(&around).build(plan)?;
    let context = BatchContext {
        eval: eval.clone(),
        evict: None,
        late: None,
        resources: resources.clone(),
        latecomers: Arc::default(),
        clock: Arc::clone(&around.clock),
        cancelled: Arc::new(AtomicBool::new(false)),
    };
    let mut reads = Vec::new();
    for (scan, _) in &built.sources {
        reads.push(read_all(scan, &around.source_context(), resources)?);
    }
    let mut batch = Batch { context: Arc::new(context), reads };
    result(&mut built.root, &mut batch, &plan.columns())
}

/// Everything that a bounded table holds, as pieces.
fn read_all(scan: &Scan, context: &SourceContext, resources: &Resources) -> Result<Vec<ReadTask>, EngineError> {
    let mut source = source::open(scan, context, resources)?;
    source.freeze()?;
    let (mut tasks, mut from) = (Vec::new(), None);
    while let Some(to) = source.latest(from.as_ref())? {
        if from.as_ref() == Some(&to) {
            break;
        }
        tasks.extend(source.read(from.as_ref(), &to)?);
        from = Some(to);
    }
    Ok(tasks)
}

/// Runs the batch through the tree: one frame of `columns`.
pub(super) fn result(root: &mut Node, batch: &mut Batch, columns: &[Column]) -> Result<Frame, EngineError> {
    let tasks = root.tasks(batch)?;
    let frames = run(tasks, &batch.context)?;
    let ids: Vec<_> = columns.iter().map(|c| c.id).collect();
    let Some(all) = Frame::concat(frames)? else {
        return Ok(Frame::new(ids, columns.iter().map(|c| null_series(&c.data_type, 0)).collect(), 0));
    };
    let pick = |c: &Column| {
        all.column(c.id).cloned().ok_or_else(|| EngineError::internal(format!("the result has no column {} (#{})", c.name, c.id.0)))
    };
    Ok(Frame::new(ids, columns.iter().map(pick).collect::<Result<_, _>>()?, all.rows()))
}
