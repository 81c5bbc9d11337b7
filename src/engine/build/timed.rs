//! Building what keeps rows by time beside groups and joins: DEDUPLICATE, notes about late rows, bounded sides that
//! follow their files.

use super::subqueries::scans_of;
use super::{Builder, Needed, with};
use crate::engine::EngineError;
use crate::engine::bounded::{NoSystemTables, run_bounded};
use crate::engine::node::Node;
use crate::engine::operator::deduplicate::{Deduplicate, DuplicateKeys};
use crate::engine::operator::join::{Index, Refresh, Shape};
use crate::engine::operator::late::LateNote;
use crate::engine::source::files::fingerprint;
use crate::engine::state::keys::KeyKind;
use crate::plan::LogicalPlan;
use crate::plan::expr::{ColumnId, Expr, NamedExpr};
use crate::plan::logical::{Column, Scan};
use crate::plan::streaming::event_time_columns;
use crate::types::DataType;
use std::sync::{Arc, Mutex};

impl Builder<'_> {
    /// The first row of each key stays.
    pub(super) fn deduplicate(
        &mut self,
        input: &LogicalPlan,
        keys: &[ColumnId],
        within: bool,
        needed: &Needed,
    ) -> Result<Node, EngineError> {
        let columns = input.columns();
        let streaming = input.is_streaming() && self.mode.is_some();
        let key_columns: Vec<&Column> = columns.iter().filter(|c| keys.contains(&c.id)).collect();
        let below: Needed = needed.iter().copied().chain(keys.iter().copied()).collect();
        let mut parts = DuplicateKeys {
            keys: key_columns.iter().map(|c| self.bind(&c.expr())).collect::<Result<Vec<_>, _>>()?,
            kind: KeyKind::of(&key_columns.iter().map(|c| c.data_type.clone()).collect::<Vec<_>>()),
            late: None,
            expiry: None,
            within,
        };
        let event_time = event_time_columns(input);
        if streaming {
            one_event_time(columns.iter().filter(|c| event_time.contains(&c.id)).map(|c| c.name.as_str()))?;
        }
        let timed = |from: &[&Column]| from.iter().find(|c| event_time.contains(&c.id)).map(|c| c.expr());
        let time = timed(&columns.iter().collect::<Vec<_>>()).filter(|_| streaming);
        // Spark runs the batch without data whatever the keys are.
        self.follows_watermark |= streaming;
        let Some(time) = time else {
            let node = self.node(input, &below)?;
            let columns: Vec<Column> = key_columns.into_iter().cloned().collect();
            return Ok(Node::operator(vec![node], Deduplicate::new(parts, &columns, self.partitions, !streaming)?));
        };
        let note = self.late_note(parts.operator(), input, &time, &with(&below, [&time]))?;
        parts.expiry = match timed(&key_columns) {
            _ if within => Some((self.event_time(&time)?, delay_of(input))),
            Some(key) => Some((self.event_time(&key)?, 0)),
            None => None,
        };
        let node = self.node(input, &with_time(with(&below, [&time]), &note))?;
        parts.late = Some((self.event_time(&time)?, self.noted(note)));
        let columns: Vec<Column> = key_columns.into_iter().cloned().collect();
        Ok(Node::operator(vec![node], Deduplicate::new(parts, &columns, self.partitions, false)?))
    }

    /// What `operator` keeps of rows that are late by `time`, a column of `input`.
    pub(super) fn late_note(
        &self,
        operator: &'static str,
        input: &LogicalPlan,
        time: &Expr,
        below: &Needed,
    ) -> Result<LateNote, EngineError> {
        let window = matches!(time.data_type(), DataType::Struct(_));
        let from = match time {
            Expr::Column { id, .. } if window => {
                window_origin(input, *id).unwrap_or_else(|| Expr::call("window_time", vec![time.clone()], DataType::Timestamp))
            }
            other => other.clone(),
        };
        let windows: Vec<ColumnId> = if window { time.columns().into_iter().collect() } else { vec![] };
        Ok(LateNote {
            operator,
            columns: input
                .columns()
                .into_iter()
                .filter(|c| !windows.contains(&c.id) && (below.contains(&c.id) || from.columns().contains(&c.id)))
                .collect(),
            time: Some((self.bind(&from)?, from.columns().into_iter().collect())),
            window: if window { Some(self.bind(time)?) } else { None },
        })
    }

    /// A note that an operator will use: what its rows look like is known from then on.
    pub(super) fn noted(&mut self, note: LateNote) -> LateNote {
        self.late_columns.push(Arc::clone(&note.columns));
        note
    }

    /// How a bounded side follows its files, where a table of it has `refresh`.
    pub(super) fn refresh(&self, plan: &LogicalPlan) -> Result<Option<Refresh>, EngineError> {
        let scans = scans(plan);
        let look = move || scans.iter().map(fingerprint).collect::<Result<Vec<_>, _>>();
        let known = look()?;
        if known.iter().all(Option::is_none) {
            return Ok(None);
        }
        let (plan, eval, resources) = (plan.clone(), self.around.eval.clone(), self.around.resources.clone());
        let read = move |shape: &Shape| Index::new(run_bounded(&plan, &eval, &resources, &NoSystemTables)?, shape, &eval);
        Ok(Some(Refresh { known: Mutex::new(known), look: Box::new(look), read: Box::new(read) }))
    }
}

/// Refuses several columns of event time among `columns`: Spark would not know by which rows are late.
///
/// # Errors
/// Two or more.
pub(super) fn one_event_time<'c>(columns: impl Iterator<Item = &'c str>) -> Result<(), EngineError> {
    let names: Vec<&str> = columns.collect();
    if names.len() < 2 {
        return Ok(());
    }
    let message = format!("{} both carry the watermark's time, and only one may say when a row is late", names.join(" and "));
    Err(EngineError::data("MULTIPLE_EVENT_TIME_COLUMNS", message)
        .help("leave one out, or take one in a projection below: SELECT window.start AS start"))
}

/// What a window was made from, where every row still has it; hidden columns go through projections only.
fn window_origin(plan: &LogicalPlan, id: ColumnId) -> Option<Expr> {
    match plan {
        LogicalPlan::TimeWindow { time, column, .. } | LogicalPlan::SessionWindow { time, column, .. } if column.id == id => {
            Some(time.clone())
        }
        LogicalPlan::Project { input, exprs } => match &exprs.iter().find(|e| e.id == id)?.expr {
            Expr::Column { id, .. } => window_origin(input, *id),
            _ => None,
        },
        LogicalPlan::Aggregate { .. } | LogicalPlan::Union { .. } | LogicalPlan::Expand { .. } => None,
        other => other.inputs().into_iter().find_map(|input| window_origin(input, id)),
    }
}

/// `sum(v)` of the plan's `sum(v#2)`.
pub(super) fn without_ids(name: &str) -> String {
    let mut parts = name.split('#');
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |all, part| all + part.trim_start_matches(|c: char| c.is_ascii_digit()))
}

/// How long the windows of a column are, in microseconds.
pub(super) fn window_size(plan: &LogicalPlan, id: ColumnId) -> Option<i64> {
    let below = |exprs: &[NamedExpr], input: &LogicalPlan| match &exprs.iter().find(|e| e.id == id)?.expr {
        Expr::Column { id, .. } => window_size(input, *id),
        _ => None,
    };
    match plan {
        LogicalPlan::TimeWindow { size, column, .. } if column.id == id => Some(*size),
        LogicalPlan::Project { input, exprs } => below(exprs, input),
        LogicalPlan::Aggregate { input, keys, .. } => below(keys, input),
        other => other.inputs().into_iter().find_map(|input| window_size(input, id)),
    }
}

/// The tables that a plan reads.
pub(super) fn scans(plan: &LogicalPlan) -> Vec<Scan> {
    if let LogicalPlan::Scan(scan) = plan {
        return vec![scan.clone()];
    }
    let mut found: Vec<Scan> = plan.inputs().into_iter().flat_map(scans).collect();
    plan.expressions().into_iter().for_each(|e| scans_of(e, &mut found));
    found
}

/// How late rows may be: the longest delay of the WATERMARKs below, in microseconds.
fn delay_of(plan: &LogicalPlan) -> i64 {
    match plan {
        LogicalPlan::Watermark { delay, .. } => *delay,
        other => other.inputs().into_iter().map(delay_of).max().unwrap_or(0),
    }
}

/// The columns of `needed` and those that a note about late rows reads.
pub(super) fn with_time(needed: Needed, note: &LateNote) -> Needed {
    needed.into_iter().chain(note.time.iter().flat_map(|(_, columns)| columns.iter().copied())).collect()
}
