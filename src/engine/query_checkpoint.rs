//! A running query's side of its checkpoint: opening it, putting back what an earlier run left, and what is
//! written for a batch.

use super::bounded::NoSystemTables;
use super::build::{Builder, Built, Surroundings, rounded};
use super::clock::Clock;
use super::eval::EvalContext;
use super::node::Node;
use super::operator::Kept;
use super::sink::Sink;
use super::source::receivers::Receiver;
use super::source::{Earlier, Source};
use super::state_schema;
use super::{EngineError, Resources};
use crate::checkpoint::{Changes, Checkpoint, CheckpointError, Done, Found, Metadata, Offset, Options};
use crate::plan::LogicalPlan;
use crate::plan::logical::Column;
use crate::progress::OutputMode;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;

/// Where a query's checkpoint is.
#[derive(Clone, Debug)]
pub struct CheckpointSpec {
    /// Its directory.
    pub dir: PathBuf,
    /// Its settings.
    pub options: Options,
}

/// What a query keeps and reads, for telling whether another can take its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeptState {
    /// Each stateful operator with the lines that say what its state is made of.
    pub operators: Vec<(String, Vec<String>)>,
    /// Each source: its format, and the stream's name.
    pub sources: Vec<(String, String)>,
}

impl KeptState {
    /// How what another query reads differs, as a sentence.
    pub fn other_sources(&self, other: &KeptState) -> Option<String> {
        if self.sources.len() != other.sources.len() {
            return Some(format!("it read {} sources, and the query reads {} now", self.sources.len(), other.sources.len()));
        }
        let differs = |((was, _), (is, _)): &(&(String, String), &(String, String))| was != is;
        let (at, ((was, stream), (is, now))) = self.sources.iter().zip(&other.sources).enumerate().find(|(_, pair)| differs(pair))?;
        Some(format!("its source {} was {was} ({stream}), and is {is} ({now}) now", at + 1))
    }

    pub(super) fn of(built: &mut Built) -> KeptState {
        let mut operators = Vec::new();
        built.root.each_operator(&mut |o| {
            let name = o.name().to_string();
            operators.extend(o.stored().map(|kept| (name, kept.schema())));
        });
        KeptState { operators, sources: built.sources.iter().map(|(scan, _)| (scan.format.clone(), scan.name.clone())).collect() }
    }
}

/// What state a plan would keep, and what it reads: it is built and not run.
///
/// # Errors
/// As for starting it.
pub fn kept_state(
    plan: &LogicalPlan,
    mode: OutputMode,
    eval: &EvalContext,
    resources: &Resources,
    clock: &Arc<dyn Clock>,
) -> Result<KeptState, EngineError> {
    let around = Surroundings {
        eval: eval.clone(),
        resources: resources.clone(),
        clock: Arc::clone(clock),
        wake: Arc::default(),
        query: String::new(),
        system: &NoSystemTables,
    };
    Ok(KeptState::of(&mut Builder::streaming(&around, mode, 1).build(plan)?))
}

/// A query that ended so that another takes its place.
pub struct Takeover {
    /// What stands in the checkpoint, where there is one.
    pub(super) found: Found,
    /// By operator: the rows of all partitions. Nothing where there is a checkpoint.
    pub(super) state: Vec<Vec<Changes<'static>>>,
    /// Those that hold what cannot be read again.
    pub(super) sources: Vec<Option<Box<dyn Source>>>,
    /// Held so that connections stay open until the other query reads from them.
    pub(super) _receivers: Vec<Arc<Receiver>>,
    pub(super) sink: Option<(Vec<Column>, Box<dyn Sink>)>,
}

impl Takeover {
    /// The sink, for a result with the same columns.
    pub fn sink_for(&mut self, columns: &[Column]) -> Option<Box<dyn Sink>> {
        let same = |own: &[Column]| {
            own.len() == columns.len() && own.iter().zip(columns).all(|(a, b)| a.name == b.name && a.data_type == b.data_type)
        };
        self.sink.take_if(|(own, _)| same(own)).map(|(_, sink)| sink)
    }

    /// How many partitions its state has; `None` without any.
    pub(super) fn partitions(&self) -> Option<usize> {
        self.state.iter().map(Vec::len).max()
    }

    pub(super) fn restore_state(&self, built: &mut Built) -> Result<(), EngineError> {
        let (mut at, mut outcome) = (0, Ok(()));
        built.root.each_operator(&mut |operator| {
            if let (Ok(()), Some(kept), Some(parts)) = (&outcome, operator.stored(), self.state.get(at)) {
                outcome = put_back(kept, parts);
                at += 1;
            }
        });
        outcome
    }
}

fn put_back(kept: &mut dyn Kept, parts: &[Changes<'_>]) -> Result<(), EngineError> {
    for (partition, entries) in parts.iter().enumerate() {
        for rows in entries.entries() {
            let taken = rows.and_then(|(list, rows)| kept.restore(partition, list, &rows));
            taken.ok_or_else(|| EngineError::internal("state that does not fit the query that takes it over"))?;
        }
    }
    kept.restored()
}

/// Everything that operators hold, between batches.
pub(super) fn contents(root: &mut Node) -> Result<Vec<Vec<Changes<'static>>>, EngineError> {
    let mut all = Vec::new();
    let mut failure = None;
    root.each_operator(&mut |operator| {
        let Some(kept) = operator.stored() else { return };
        let one = |partition: usize| {
            let mut entries = Changes::default();
            kept.contents(partition, &mut entries).map(|()| entries)
        };
        match (0..kept.partitions()).map(one).collect() {
            Ok(entries) => all.push(entries),
            Err(error) => failure = Some(error),
        }
    });
    failure.map_or(Ok(all), Err)
}

/// How far each source is read after a batch.
type Ends = Vec<Option<Offset>>;

/// The checkpoint of a running query.
pub(super) struct Keeper {
    pub(super) checkpoint: Checkpoint,
    /// Done and not durable yet.
    waiting: VecDeque<(u64, Ends)>,
}

/// A checkpoint that was opened, with what stood in its metadata.
pub(super) struct Opened {
    pub(super) dir: PathBuf,
    pub(super) checkpoint: Checkpoint,
    pub(super) metadata: Option<Metadata>,
}

/// Changed groups or rows above which partitions are written out by the workers.
const MANY: u64 = 4096;

pub(super) fn open(spec: &CheckpointSpec, resources: &Resources) -> Result<Opened, EngineError> {
    let (checkpoint, metadata) = Checkpoint::open(resources.disk(), &spec.dir, spec.options.clone())?;
    Ok(Opened { dir: spec.dir.clone(), checkpoint, metadata })
}

impl Opened {
    /// Puts the state back that an earlier run left, and begins to write. What the loop needs besides: where sources stand
    /// and which batches are repeated.
    pub(super) fn restore(mut self, built: &mut Built, id: &str) -> Result<(Keeper, Found), EngineError> {
        let KeptState { operators, sources } = KeptState::of(built);
        let now = Metadata { id: id.to_string(), partitions: built.partitions, operators, sources };
        let mut found = Found { ends: vec![None; now.sources.len()], journals: vec![Vec::new(); now.sources.len()], ..Found::default() };
        if let Some(before) = &self.metadata {
            if let Some(how) = difference(before, &now) {
                return Err(CheckpointError::Changed { dir: self.dir, how }.into());
            }
            found = self.checkpoint.find()?;
            restore_state(&mut built.root, &self.checkpoint)?;
        }
        self.checkpoint.begin(now)?;
        Ok((Keeper { checkpoint: self.checkpoint, waiting: VecDeque::new() }, found))
    }
}

/// What keeps a query from going on where another stood.
fn difference(before: &Metadata, now: &Metadata) -> Option<String> {
    let kept = |m: &Metadata| KeptState { operators: m.operators.clone(), sources: m.sources.clone() };
    kept(before).other_sources(&kept(now)).or_else(|| state_schema::difference(&before.operators, &now.operators))
}

fn restore_state(root: &mut Node, checkpoint: &Checkpoint) -> Result<(), EngineError> {
    let (mut at, mut outcome) = (0, Ok(()));
    root.each_operator(&mut |operator| {
        if let (Ok(()), Some(kept)) = (&outcome, operator.stored()) {
            outcome = restore_operator(kept, at, checkpoint);
            at += 1;
        }
    });
    outcome
}

fn restore_operator(kept: &mut dyn Kept, at: usize, checkpoint: &Checkpoint) -> Result<(), EngineError> {
    for partition in 0..kept.partitions() {
        checkpoint.load(at, partition, &mut |list, rows| kept.restore(partition, list, rows))?;
    }
    kept.restored()
}

/// What a source is told of an earlier run.
pub(super) fn earlier(found: &Found, source: usize) -> Option<Earlier> {
    let planned = found.repeat.back().and_then(|b| b.sources.get(source)).and_then(|s| s.to.clone());
    let earlier = Earlier { journal: found.journals.get(source)?.clone(), committed: found.ends.get(source).cloned().flatten(), planned };
    (earlier != Earlier::default()).then_some(earlier)
}

/// What a start has to say of an earlier run; `None` at the first.
pub(super) fn recovery_text(found: &Found) -> Option<String> {
    let next = found.committed.map_or(0, |n| n + 1);
    match (found.repeat.front(), found.repeat.back()) {
        (Some(_), Some(last)) if found.power_lost || last.batch > next => Some(format!(
            "power was lost before batches {next} to {} were on disk for good: they run again over the same ranges; the sink replaces them",
            last.batch
        )),
        (Some(first), _) => Some(format!(
            "batch {} had its offsets logged and no commit: it runs again over the same range; the sink replaces it",
            first.batch
        )),
        (None, _) => found.committed.map(|n| format!("batch {n} was committed: it goes on with batch {}", n + 1)),
    }
}

/// What a start has to say where another number of partitions is asked for than state has; 0 asks for none.
pub(super) fn other_partitions(fixed: Option<usize>, wanted: usize) -> Option<String> {
    let fixed = fixed.filter(|fixed| wanted > 0 && *fixed != rounded(wanted))?;
    Some(format!(
        "its state stays in {fixed} partitions, as at its first start: spark.sql.shuffle.partitions = {wanted} is for new queries"
    ))
}

impl Keeper {
    /// Writes what the batch at hand changed; before operators commit.
    pub(super) fn write_state(&mut self, batch: u64, root: &mut Node, resources: &Resources) -> Result<Done, CheckpointError> {
        let (mut done, mut at, mut outcome) = (self.checkpoint.done(batch), 0, Ok(()));
        root.each_operator(&mut |operator| {
            let many = operator.state().is_some_and(|s| s.num_rows_updated + s.num_rows_removed >= MANY);
            let Some(kept) = operator.stored() else { return };
            let kept: &dyn Kept = kept;
            let one = |(partition, mut changes): (usize, Changes<'_>)| {
                kept.changes(partition, &mut changes);
                changes.finish()
            };
            let partitions: Vec<_> = self.checkpoint.changes(at, batch).into_iter().enumerate().take(kept.partitions()).collect();
            at += 1;
            let written = if many { resources.pool().map(partitions, one) } else { partitions.into_iter().map(one).collect() };
            for written in written {
                match written {
                    Ok(written) => written.into_iter().for_each(|w| done.wrote(w)),
                    Err(error) => outcome = std::mem::replace(&mut outcome, Ok(())).and(Err(error)),
                }
            }
        });
        outcome.map(|()| done)
    }

    /// Ends as the query does; how far sources were read by the last batch that is durable, where that was not known before.
    pub(super) fn finish(self) -> Result<Ends, EngineError> {
        let durable = self.checkpoint.finish()?;
        let last = self.waiting.into_iter().rfind(|(batch, _)| durable.is_some_and(|durable| *batch <= durable));
        Ok(last.map(|(_, ends)| ends).unwrap_or_default())
    }

    /// A batch is committed; what is durable by now, if anything is anew.
    pub(super) fn committed(&mut self, batch: u64, ends: Ends) -> Option<Ends> {
        self.waiting.push_back((batch, ends));
        let durable = self.checkpoint.durable()?;
        let mut last = None;
        while self.waiting.front().is_some_and(|(batch, _)| *batch <= durable) {
            last = self.waiting.pop_front();
        }
        last.map(|(_, ends)| ends)
    }
}
