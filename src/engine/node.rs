//! The tree of operators that a query runs, and how one batch flows through it.
//!
//! Rows move as [`Task`]s: pieces still to be computed. Steps only wrap them, so that a piece is decoded,
//! filtered and projected in one go on one worker; operators run the tasks of their inputs.

use super::clock::Clock;
use super::operator::{BatchContext, Flow, KeptRows, Meter, Operator, Step, Task};
use super::source::ReadTask;
use super::{EngineError, Frame};
use crate::progress::{OperatorProgress, StateOperatorProgress};
use std::sync::Arc;

/// A step with its figures.
pub struct Metered {
    step: Box<dyn Step>,
    meter: Meter,
}

/// One node of the tree.
pub enum Node {
    /// A source of the query by its number; rows come from `Batch::reads`.
    Source { index: usize, meter: Arc<Meter> },
    /// The same rows in every batch.
    Frames(Vec<Frame>),
    /// Steps over each piece.
    Steps { input: Box<Node>, steps: Vec<Arc<Metered>> },
    /// All pieces of all inputs.
    Union(Vec<Node>),
    /// An operator over all pieces. Its watermark is the query's less `delay` microseconds.
    Operator { inputs: Vec<Node>, operator: Box<dyn Operator>, meter: Meter, delay: i64 },
}

/// One batch on its way.
pub struct Batch {
    /// What is fixed for it.
    pub context: Arc<BatchContext>,
    /// The pieces of each source.
    pub reads: Vec<Vec<ReadTask>>,
}

impl Node {
    /// The node with a step over it.
    #[must_use]
    pub fn then(self, step: impl Step + 'static) -> Node {
        let meter = Meter::new(step.name());
        let step = Arc::new(Metered { step: Box::new(step), meter });
        match self {
            Node::Steps { input, mut steps } => {
                steps.push(step);
                Node::Steps { input, steps }
            }
            input => Node::Steps { input: Box::new(input), steps: vec![step] },
        }
    }

    /// An operator over inputs.
    pub fn operator(inputs: Vec<Node>, operator: impl Operator + 'static) -> Node {
        let meter = Meter::new(operator.name());
        let delay = inputs.iter().map(Node::delay).max().unwrap_or(0);
        Node::Operator { inputs, operator: Box::new(operator), meter, delay }
    }

    /// How far, in microseconds, rows from here may lie behind the query's watermark.
    fn delay(&self) -> i64 {
        match self {
            Node::Source { .. } | Node::Frames(_) => 0,
            Node::Steps { input, .. } => input.delay(),
            Node::Union(inputs) => inputs.iter().map(Node::delay).max().unwrap_or(0),
            Node::Operator { operator, delay, .. } => delay + operator.output_delay(),
        }
    }

    /// The pieces that this node gives in a batch.
    pub fn tasks(&mut self, batch: &mut Batch) -> Result<Vec<Task>, EngineError> {
        match self {
            Node::Source { index, meter } => {
                let reads = batch.reads.get_mut(*index).map(std::mem::take).unwrap_or_default();
                Ok(reads.into_iter().map(|read| decoding(read, Arc::clone(meter), Arc::clone(&batch.context))).collect())
            }
            Node::Frames(frames) => {
                let task = |frame: &Frame| -> Task {
                    let frame = frame.clone();
                    Box::new(move || Ok(frame))
                };
                Ok(frames.iter().map(task).collect())
            }
            Node::Steps { input, steps } => {
                for metered in &*steps {
                    metered.step.begin().map_err(|e| e.within(metered.step.name()))?;
                }
                let tasks = input.tasks(batch)?;
                Ok(tasks.into_iter().map(|task| stepping(task, steps.clone(), Arc::clone(&batch.context))).collect())
            }
            Node::Union(inputs) => {
                let mut all = Vec::new();
                for input in inputs {
                    all.extend(input.tasks(batch)?);
                }
                Ok(all)
            }
            Node::Operator { inputs, operator, meter, delay } => {
                let tasks = inputs.iter_mut().map(|i| i.tasks(batch)).collect::<Result<Vec<_>, _>>()?;
                let start = batch.context.clock.ticks();
                let Flow { frames, rows_in } = {
                    let own = (*delay != 0).then(|| batch.context.delayed(*delay));
                    operator.step(tasks, own.as_ref().unwrap_or(&batch.context))
                }
                .map_err(|e| e.within(operator.name()))?;
                let rows_out = frames.iter().map(|f| f.rows() as u64).sum();
                meter.add(rows_in, rows_out, batch.context.clock.ticks() - start);
                Ok(frames.into_iter().map(|frame| -> Task { Box::new(move || Ok(frame)) }).collect())
            }
        }
    }

    /// Calls `f` with every operator, inputs first.
    pub fn each_operator(&mut self, f: &mut dyn FnMut(&mut dyn Operator)) {
        match self {
            Node::Source { .. } | Node::Frames(_) => {}
            Node::Steps { input, .. } => input.each_operator(f),
            Node::Union(inputs) => inputs.iter_mut().for_each(|i| i.each_operator(f)),
            Node::Operator { inputs, operator, .. } => {
                inputs.iter_mut().for_each(|i| i.each_operator(f));
                f(&mut **operator);
            }
        }
    }

    /// What every operator did since the last call, in the order rows flow.
    pub fn take_progress(&self, out: &mut Vec<OperatorProgress>) {
        match self {
            Node::Source { meter, .. } => out.push(meter.take()),
            Node::Frames(_) => {}
            Node::Steps { input, steps } => {
                input.take_progress(out);
                out.extend(steps.iter().map(|s| s.meter.take()));
            }
            Node::Union(inputs) => inputs.iter().for_each(|i| i.take_progress(out)),
            Node::Operator { inputs, meter, .. } => {
                inputs.iter().for_each(|i| i.take_progress(out));
                out.push(meter.take());
            }
        }
    }

    /// What every stateful operator keeps, at most `limit` rows a list.
    ///
    /// # Errors
    /// A defect: state that cannot be read back.
    pub fn kept(&mut self, limit: usize) -> Result<Vec<KeptRows>, EngineError> {
        let (mut out, mut failure) = (Vec::new(), None);
        self.each_operator(&mut |o| match o.kept(limit) {
            Ok(kept) => out.extend(kept),
            Err(error) => failure = Some(error),
        });
        failure.map_or(Ok(out), Err)
    }

    /// The figures of every stateful operator.
    pub fn states(&mut self) -> Vec<StateOperatorProgress> {
        let mut out = Vec::new();
        self.each_operator(&mut |o| out.extend(o.state()));
        out
    }

    /// Makes the batch's changes final; the figures of every stateful operator, with what that took.
    pub fn commit(&mut self, clock: &dyn Clock) -> Vec<StateOperatorProgress> {
        let mut out = Vec::new();
        self.each_operator(&mut |o| {
            let state = o.state();
            let start = clock.ticks();
            o.commit();
            let commit_time_ms = (clock.ticks() - start) as f64 / 1e6;
            out.extend(state.map(|s| StateOperatorProgress { commit_time_ms, ..s }));
        });
        out
    }
}

fn decoding(read: ReadTask, meter: Arc<Meter>, context: Arc<BatchContext>) -> Task {
    Box::new(move || {
        let start = context.clock.ticks();
        let frame = read().map_err(|e| e.within("decode"))?;
        meter.add(frame.rows() as u64, frame.rows() as u64, context.clock.ticks() - start);
        Ok(frame)
    })
}

fn stepping(task: Task, steps: Vec<Arc<Metered>>, context: Arc<BatchContext>) -> Task {
    Box::new(move || {
        let mut frame = task()?;
        for metered in &steps {
            let (start, rows_in) = (context.clock.ticks(), frame.rows() as u64);
            frame = metered.step.apply(frame, &context).map_err(|e| e.within(metered.step.name()))?;
            metered.meter.add(rows_in, frame.rows() as u64, context.clock.ticks() - start);
        }
        Ok(frame)
    })
}
