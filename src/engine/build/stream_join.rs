//! Building joins of two streams: rows of both sides are kept for as long as a partner can come.

use super::timed::with_time;
use super::{Builder, Needed, typed, with};
use crate::engine::EngineError;
use crate::engine::node::Node;
use crate::engine::operator::stream_join::{self, STREAM_JOIN, StreamJoin};
use crate::plan::LogicalPlan;
use crate::plan::expr::{ColumnId, Expr};
use crate::plan::logical::JoinKind;
use crate::plan::streaming::{conjuncts, event_time_columns};
use crate::plan::time_range::{StateBound, ordered, state_bound};
use crate::types::DataType;

impl Builder<'_> {
    /// Two streams: rows of both sides are kept for as long as a partner can come.
    pub(super) fn stream_join(
        &mut self,
        plan: &LogicalPlan,
        sides: [&LogicalPlan; 2],
        kind: JoinKind,
        condition: Option<&Expr>,
        needed: &Needed,
    ) -> Result<Node, EngineError> {
        let parts = JoinParts::of(sides, condition);
        if parts.keys.is_empty() {
            return Err(EngineError::user("a join of two streams needs an equality between them")
                .help("add one to ON, such as a.id = b.id, or join with a bounded table"));
        }
        let kept = sides.map(|side| typed(side, &with(needed, &parts.rest)));
        let place = |id: &ColumnId| {
            let on = |side: usize| kept[side].iter().position(|(k, _)| k == id).map(|at| (side, at));
            on(0).or_else(|| on(1)).ok_or_else(|| EngineError::internal("a column of a join is missing"))
        };
        let mut checks = Vec::new();
        let mut rest: Option<Expr> = None;
        for part in &parts.rest {
            match ordered(part).map(|o| Ok::<_, EngineError>((place(&o.less)?, place(&o.more)?, o))).transpose()? {
                Some(((0, left), (1, right), o)) => {
                    checks.push(stream_join::Check { left_is_less: true, left, right, micros: o.micros, inclusive: o.inclusive });
                }
                Some(((1, right), (0, left), o)) => {
                    checks.push(stream_join::Check { left_is_less: false, left, right, micros: o.micros, inclusive: o.inclusive });
                }
                _ => rest = Some(and(rest, part)),
            }
        }
        let rest = match rest {
            None => None,
            Some(rest) => Some((self.bind(&rest)?, rest.columns().iter().map(place).collect::<Result<_, _>>()?)),
        };
        let output = typed(plan, needed).iter().map(|(id, _)| place(id)).collect::<Result<_, _>>()?;
        let below = with(needed, condition);
        let expiry = expiry_of(sides, &parts, &below);
        self.follows_watermark |= expiry.iter().any(Option::is_some);
        let (mut inputs, mut specs) = (Vec::with_capacity(2), Vec::with_capacity(2));
        for ((side, kept), (at, expiry)) in sides.into_iter().zip(kept.clone()).zip(expiry.into_iter().enumerate()) {
            let event_time = event_time_columns(side);
            // Spark does not see an event time that nobody reads, so that it neither drops nor lets go by it.
            let late = side.columns().into_iter().find(|c| event_time.contains(&c.id) && below.contains(&c.id)).map(|c| c.expr());
            let note = late.as_ref().map(|time| self.late_note(STREAM_JOIN, side, time, &below)).transpose()?;
            let below = with(&below, late.iter().chain(expiry.as_ref().map(|(e, _)| e)));
            inputs.push(self.node(side, &note.iter().fold(below, with_time))?);
            let keys = parts.keys.iter().map(|pair| self.bind(&pair[at])).collect::<Result<_, _>>()?;
            let late = late.zip(note).map(|(e, note)| Ok::<_, EngineError>((self.event_time(&e)?, self.noted(note)))).transpose()?;
            let expiry = expiry.map(|(e, bound)| Ok::<_, EngineError>((self.event_time(&e)?, bound))).transpose()?;
            let only = parts.only[at].iter().fold(None, |all, part| Some(and(all, part)));
            let only = only.map(|e| self.bind(&e)).transpose()?;
            let names = std::iter::once(("side".to_string(), DataType::String))
                .chain(side.columns().into_iter().filter(|c| kept.iter().any(|(id, _)| *id == c.id)).map(|c| (c.name, c.data_type)))
                .collect();
            specs.push(stream_join::Side { keys, kept, names, only, late, expiry });
        }
        let sides: [stream_join::Side; 2] = specs.try_into().map_err(|_| EngineError::internal("a join without two sides"))?;
        let join = StreamJoin::new(stream_join::Shape { kind, sides, checks, rest, output }, self.partitions);
        Ok(Node::operator(inputs, join))
    }
}

/// The condition of a join of two streams, taken apart.
struct JoinParts {
    /// Equal on both sides: left and right.
    keys: Vec<[Expr; 2]>,
    /// The keys by `=`. By `<=>` two rows can be partners whose event time nobody knows, so that no watermark lets go.
    strict: Vec<[Expr; 2]>,
    /// On one side alone.
    only: [Vec<Expr>; 2],
    /// On pairs.
    rest: Vec<Expr>,
}

impl JoinParts {
    fn of(sides: [&LogicalPlan; 2], condition: Option<&Expr>) -> JoinParts {
        let ids = sides.map(|side| side.columns().iter().map(|c| c.id).collect::<Needed>());
        let on = |e: &Expr, side: usize| !e.columns().is_empty() && e.columns().iter().all(|c| ids[side].contains(c));
        let mut parts = Vec::new();
        if let Some(condition) = condition {
            conjuncts(condition, &mut parts);
        }
        let mut out = JoinParts { keys: vec![], strict: vec![], only: [vec![], vec![]], rest: vec![] };
        for part in parts {
            match part {
                Expr::Call { function, args, .. } if matches!(function.0, "=" | "<=>") && args.len() == 2 => {
                    let pair = match () {
                        () if on(&args[0], 0) && on(&args[1], 1) => Some([args[0].clone(), args[1].clone()]),
                        () if on(&args[1], 0) && on(&args[0], 1) => Some([args[1].clone(), args[0].clone()]),
                        () => None,
                    };
                    if let Some(pair) = pair {
                        out.strict.extend((function.0 == "=").then(|| pair.clone()));
                        out.keys.push(pair);
                        continue;
                    }
                }
                _ => {}
            }
            match part {
                part if on(part, 0) => out.only[0].push(part.clone()),
                part if on(part, 1) => out.only[1].push(part.clone()),
                part => out.rest.push(part.clone()),
            }
        }
        out
    }
}

/// By what the rows of each side of a join leave, and up to which time: an event time
/// among the keys holds for both sides, else a side's own event time where the condition bounds it.
fn expiry_of(sides: [&LogicalPlan; 2], parts: &JoinParts, below: &Needed) -> [Option<(Expr, StateBound)>; 2] {
    let event_time = sides.map(event_time_columns);
    let is_event_time = |e: &Expr, side: usize| matches!(e, Expr::Column { id, .. } if event_time[side].contains(id));
    let key = [0, 1].into_iter().find_map(|side| parts.strict.iter().find(|pair| is_event_time(&pair[side], side)));
    if let Some([left, right]) = key {
        let bound = StateBound { after_watermark: Some(0), fixed: None };
        return [Some((left.clone(), bound)), Some((right.clone(), bound))];
    }
    let whole = parts.only.iter().flatten().chain(&parts.rest).fold(None, |all, part| Some(and(all, part)));
    [0, 1].map(|side| {
        let columns = sides[side].columns();
        let own = columns.iter().find(|c| event_time[side].contains(&c.id) && below.contains(&c.id))?;
        let ids = columns.iter().map(|c| c.id).collect();
        state_bound(whole.as_ref(), &ids, &event_time[1 - side]).map(|bound| (own.expr(), bound))
    })
}

fn and(all: Option<Expr>, part: &Expr) -> Expr {
    match all {
        None => part.clone(),
        Some(all) => Expr::And(Box::new(all), Box::new(part.clone())),
    }
}
