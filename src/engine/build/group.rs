//! Building aggregations: over groups, windows and sessions.

use super::timed::{one_event_time, window_size, with_time, without_ids};
use super::{Builder, Needed, with};
use crate::engine::eval::Bound;
use crate::engine::node::Node;
use crate::engine::operator::aggregate::{AGGREGATE, AggregateOperator, Preparation};
use crate::engine::operator::late::LateNote;
use crate::engine::operator::session::{SESSION, SessionKeys, SessionOperator};
use crate::engine::state::Emit;
use crate::engine::state::accumulator::Aggregate;
use crate::engine::state::keys::KeyKind;
use crate::engine::{EngineError, state_schema};
use crate::plan::LogicalPlan;
use crate::plan::expr::{ColumnId, Expr, NamedExpr};
use crate::plan::logical::{Column, NamedAggregate};
use crate::plan::streaming::{carries, event_time_columns};
use crate::progress::OutputMode;
use crate::types::DataType;

impl Builder<'_> {
    pub(super) fn aggregate(
        &mut self,
        input: &LogicalPlan,
        keys: &[NamedExpr],
        aggregates: &[NamedAggregate],
    ) -> Result<Node, EngineError> {
        let args = aggregates.iter().flat_map(|a| a.call.args.iter().chain(&a.call.filter));
        let below = with(&Needed::new(), keys.iter().map(|k| &k.expr).chain(args));
        let event_time = event_time_columns(input);
        if input.is_streaming() && matches!(self.mode, Some(OutputMode::Append | OutputMode::Update)) {
            let once = |at: usize| keys[..at].iter().all(|k| k.expr != keys[at].expr);
            let timed = keys.iter().enumerate().filter(|(at, k)| carries(&k.expr, &event_time) && once(*at));
            one_event_time(timed.map(|(_, k)| k.name.as_str()))?;
        }
        let expiring = keys.iter().position(|k| carries(&k.expr, &event_time));
        let session = {
            let sessions = session_columns(input);
            keys.iter().position(|k| matches!(k.expr, Expr::Column { id, .. } if sessions.contains(&id)))
        };
        let operator = if session.is_some() { SESSION } else { AGGREGATE };
        let late = expiring.map(|at| self.late_note(operator, input, &keys[at].expr, &below)).transpose()?;
        let node = self.node(input, &late.iter().fold(below, with_time))?;
        let size = expiring.and_then(|at| match &keys[at].expr {
            Expr::Column { id, .. } => window_size(input, *id),
            _ => None,
        });
        let event_time = expiring.map(|at| (at, matches!(keys[at].expr.data_type(), DataType::Struct(_))));
        let bound = keys.iter().map(|k| self.bind(&k.expr)).collect::<Result<Vec<_>, _>>()?;
        let mut calls = Vec::with_capacity(aggregates.len());
        for named in aggregates {
            let aggregate = Aggregate::new(&named.call)?;
            let args = aggregate.args().iter().map(|a| self.bind(a)).collect::<Result<Vec<_>, _>>()?;
            let filter = aggregate.filter().map(|f| self.bind(f)).transpose()?;
            calls.push((aggregate, args, filter));
        }
        // As people know them: by the select list, else by what they are.
        let column = |id: ColumnId, name: &str, data_type: &DataType| {
            let name = self.names.get(&id).map_or_else(|| without_ids(name), Clone::clone);
            Column { id, name, data_type: data_type.clone() }
        };
        let key_name = |k: &NamedExpr| match &k.expr {
            Expr::Column { name, .. } => name.clone(),
            _ => k.name.clone(),
        };
        let columns: Vec<Column> = keys
            .iter()
            .map(|k| column(k.id, &key_name(k), &k.expr.data_type()))
            .chain(aggregates.iter().map(|a| column(a.id, &a.name, &a.call.data_type)))
            .collect();
        let schema = keys.iter().map(|k| state_schema::key(&k.expr, input)).chain(aggregates.iter().map(state_schema::aggregate)).collect();
        if let Some(at) = session {
            return self.sessions(node, input.is_streaming(), bound, at, calls, late.filter(|_| expiring == Some(at)), &columns, schema);
        }
        self.grouped(node, input.is_streaming(), bound, calls, event_time, late, size, &columns, schema)
    }

    #[expect(clippy::too_many_arguments, reason = "what a GROUP BY is made of, each part once")]
    fn sessions(
        &mut self,
        node: Node,
        streaming: bool,
        mut keys: Vec<Bound>,
        place: usize,
        aggregates: Vec<(Aggregate, Vec<Bound>, Option<Bound>)>,
        late: Option<LateNote>,
        columns: &[Column],
        schema: Vec<String>,
    ) -> Result<Node, EngineError> {
        let mode = self.mode.filter(|_| streaming);
        let session = keys.remove(place);
        if mode.is_some() && keys.is_empty() {
            return Err(EngineError::user("sessions over a whole stream are not possible: they need one more key")
                .help("GROUP BY session_window(ts, '10 seconds') and another column, such as a user"));
        }
        let emit = if mode == Some(OutputMode::Append) { Emit::Closed } else { Emit::All };
        let closes = mode == Some(OutputMode::Append) && late.is_some();
        self.follows_watermark |= closes;
        let kind = KeyKind::of(&keys.iter().map(|k| k.data_type().clone()).collect::<Vec<_>>());
        let keys = SessionKeys { keys, kind, session, place, aggregates, late: late.filter(|_| mode.is_some()).map(|l| self.noted(l)) };
        let operator = SessionOperator::new(keys, columns, self.partitions, emit, closes, mode.is_none())?;
        Ok(Node::operator(vec![node], operator.with_schema(schema)))
    }

    #[expect(clippy::too_many_arguments, reason = "what a GROUP BY is made of, each part once")]
    fn grouped(
        &mut self,
        node: Node,
        streaming: bool,
        keys: Vec<Bound>,
        aggregates: Vec<(Aggregate, Vec<Bound>, Option<Bound>)>,
        event_time: Option<(usize, bool)>,
        late: Option<LateNote>,
        window_size: Option<i64>,
        columns: &[Column],
        schema: Vec<String>,
    ) -> Result<Node, EngineError> {
        let mode = self.mode.filter(|_| streaming);
        let emit = match mode {
            None | Some(OutputMode::Complete) => Emit::All,
            Some(OutputMode::Update) => Emit::Changed,
            Some(OutputMode::Append) => Emit::Closed,
        };
        let incremental = matches!(mode, Some(OutputMode::Append | OutputMode::Update));
        self.follows_watermark |= incremental;
        let closes = incremental && event_time.is_some();
        let kind = KeyKind::of(&keys.iter().map(|k| k.data_type().clone()).collect::<Vec<_>>());
        // In complete mode nothing closes; people want to see the windows all the same.
        let window_size = window_size.filter(|_| mode.is_some());
        let event_time = event_time.filter(|_| closes || window_size.is_some());
        let preparation =
            Preparation { keys, kind, aggregates, event_time, window_size, late: late.filter(|_| closes).map(|l| self.noted(l)) };
        let operator = AggregateOperator::new(preparation, columns, self.partitions, emit, closes, mode.is_none())?;
        Ok(Node::operator(vec![node], operator.with_schema(schema)))
    }
}

/// The columns of the plan's output that are sessions which may still grow.
fn session_columns(plan: &LogicalPlan) -> Needed {
    match plan {
        LogicalPlan::SessionWindow { input, column, .. } => with(&session_columns(input), [&column.expr()]),
        LogicalPlan::Project { input, exprs } => {
            let sessions = session_columns(input);
            let hands_on = |e: &&NamedExpr| matches!(e.expr, Expr::Column { id, .. } if sessions.contains(&id));
            exprs.iter().filter(hands_on).map(|e| e.id).collect()
        }
        LogicalPlan::Aggregate { .. } => Needed::new(),
        other => other.inputs().into_iter().flat_map(session_columns).collect(),
    }
}
