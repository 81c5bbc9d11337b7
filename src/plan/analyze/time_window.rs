//! `window(ts, size [, slide [, start]])`, `session_window(ts, gap)` and `window_time(w)`.
//!
//! A window call becomes a node below the one it stands in, which adds a column named `window`; the call
//! itself becomes that column. Equal calls share one node; two different ones are refused as in Spark.

use super::{Analyzer, Env, Result, refuse};
use crate::diagnostic::Span;
use crate::lang::ast;
use crate::lang::literal::parse_interval_text;
use crate::plan::coerce::cast;
use crate::plan::error::Reason;
use crate::plan::expr::Expr;
use crate::plan::logical::{Column, LogicalPlan};
use crate::plan::naming::spell;
use crate::plan::scope::Visible;
use crate::types::{DataType, Field, Value};

/// A window call met in an expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Window {
    /// Durations in microseconds.
    Time {
        time: Expr,
        size: i64,
        slide: i64,
        start: i64,
        column: Column,
    },
    Session {
        time: Expr,
        gap: Expr,
        column: Column,
    },
}

impl Window {
    fn column(&self) -> &Column {
        match self {
            Window::Time { column, .. } | Window::Session { column, .. } => column,
        }
    }

    /// Equal but for the column they were given.
    fn same(&self, other: &Window) -> bool {
        match (self, other) {
            (Window::Time { time, size, slide, start, .. }, Window::Time { time: t, size: a, slide: b, start: c, .. }) => {
                (time, size, slide, start) == (t, a, b, c)
            }
            (Window::Session { time, gap, .. }, Window::Session { time: t, gap: g, .. }) => (time, gap) == (t, g),
            _ => false,
        }
    }
}

impl Analyzer<'_> {
    /// Puts the windows and tied sub-queries that `env` met below the node at hand, and the windows' columns in sight.
    pub(super) fn place_windows(&mut self, mut plan: LogicalPlan, env: &mut Env) -> Result<LogicalPlan> {
        for tied in std::mem::take(&mut env.joins) {
            plan = self.tie(plan, tied)?;
        }
        for window in env.windows.clone() {
            let known = env.scope.columns.iter().any(|v| v.column.id == window.column().id);
            if known {
                continue;
            }
            env.scope.columns.push(Visible { column: window.column().clone(), qualifier: None, hidden: false, made: true });
            plan = match window {
                Window::Time { time, size, slide, start, column } => {
                    LogicalPlan::TimeWindow { input: Box::new(plan), time, size, slide, start, column }
                }
                Window::Session { time, gap, column } => LogicalPlan::SessionWindow { input: Box::new(plan), time, gap, column },
            };
        }
        Ok(plan)
    }

    fn meet(&mut self, window: Window, env: &mut Env, span: Span) -> Result<Expr> {
        if let Some(known) = env.windows.iter().find(|w| w.same(&window)) {
            return Ok(known.column().expr());
        }
        if !env.windows.is_empty() {
            return refuse(Reason::SeveralWindows, span);
        }
        let column = window.column().expr();
        env.windows.push(window);
        Ok(column)
    }

    /// The time argument of a window: a TIMESTAMP, or the window of an earlier aggregation.
    fn window_time_argument(&mut self, call: &ast::Call, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let argument = &call.args[0].value;
        let time = self.expr(argument, env)?;
        match time.data_type() {
            DataType::Timestamp | DataType::TimestampNtz => Ok(time),
            DataType::Date | DataType::String | DataType::Void => Ok(cast(time, &DataType::Timestamp)),
            t if is_window(&t) => Ok(end_of(time)),
            found => self.unexpected(&spell(e), 1, "a TIMESTAMP".to_string(), found, argument.span),
        }
    }

    /// `window(ts, size [, slide [, start]])`
    pub(super) fn window_call(&mut self, call: &ast::Call, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        if !(2..=4).contains(&call.args.len()) {
            let expected = "a time, a size and perhaps a slide and a start".to_string();
            return refuse(Reason::WrongArgumentCount { function: "window".to_string(), expected, found: call.args.len() }, e.span);
        }
        let time = self.window_time_argument(call, e, env)?;
        let size = self.duration(call, 1, "windowDuration", env)?;
        let slide = if call.args.len() > 2 { self.duration(call, 2, "slideDuration", env)? } else { size };
        let start = if call.args.len() > 3 { self.duration(call, 3, "startTime", env)? } else { 0 };
        let wrong = match () {
            () if size <= 0 => Some(("windowDuration", "longer than zero".to_string())),
            () if slide <= 0 => Some(("slideDuration", "longer than zero".to_string())),
            () if slide > size => Some(("slideDuration", "at most the windowDuration, else rows would fall between windows".to_string())),
            () if start.abs() >= slide => Some(("startTime", "shorter than the slideDuration".to_string())),
            () => None,
        };
        if let Some((parameter, wanted)) = wrong {
            let message = format!("the {parameter} of {} has to be {wanted}", spell(e));
            let out_of_range = size <= 0 || slide <= 0;
            let part =
                if out_of_range { "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE" } else { "DATATYPE_MISMATCH.PARAMETER_CONSTRAINT_VIOLATION" };
            return refuse(Reason::BadParameter { condition: part, message }, e.span);
        }
        if let Some(Window::Time { column, .. }) = env.windows.iter().find(
            |w| matches!(w, Window::Time { time: t, size: a, slide: b, start: c, .. } if (t, a, b, c) == (&time, &size, &slide, &start)),
        ) {
            return Ok(column.expr());
        }
        let column = self.window_column("window", time.data_type());
        self.meet(Window::Time { time, size, slide, start, column }, env, e.span)
    }

    /// `session_window(ts, gap)`
    pub(super) fn session_window_call(&mut self, call: &ast::Call, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        if call.args.len() != 2 {
            let expected = "a time and a gap".to_string();
            return refuse(Reason::WrongArgumentCount { function: "session_window".to_string(), expected, found: call.args.len() }, e.span);
        }
        let time = self.window_time_argument(call, e, env)?;
        let argument = &call.args[1].value;
        let gap = self.expr(argument, env)?;
        let gap = match (&gap, gap.data_type()) {
            // Months stay months: a session is then as long as the month that it starts in.
            (Expr::Literal { value: Value::String(text), .. }, _) if parse_interval_text(text).is_ok_and(|p| p.months != 0) => gap,
            (Expr::Literal { value: Value::String(text), .. }, _) => {
                let micros = self.text_duration(text, argument.span)?;
                Expr::literal(Value::DayTime(micros), DataType::DAY_TO_SECOND)
            }
            (_, DataType::String | DataType::CalendarInterval) => gap,
            (_, DataType::DayTimeInterval(..) | DataType::YearMonthInterval(..)) => {
                let message = format!("the gap of {} is a text such as '5 seconds', not an INTERVAL", spell(e));
                return refuse(Reason::Watermark { condition: None, message }, argument.span);
            }
            (_, found) => return self.unexpected(&spell(e), 2, "a duration".to_string(), found, argument.span),
        };
        let column = self.window_column("session_window", time.data_type());
        self.meet(Window::Session { time, gap, column }, env, e.span)
    }

    /// `window_time(w)`: the last microsecond of the window.
    pub(super) fn window_time_call(&mut self, call: &ast::Call, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let [argument] = call.args.as_slice() else {
            let expected = "one window".to_string();
            return refuse(Reason::WrongArgumentCount { function: "window_time".to_string(), expected, found: call.args.len() }, e.span);
        };
        let window = self.expr(&argument.value, env)?;
        match window.data_type() {
            t if is_window(&t) => Ok(end_of(window)),
            found => self.unexpected(&spell(e), 1, "a window".to_string(), found, argument.value.span),
        }
    }

    fn window_column(&mut self, name: &str, time: DataType) -> Column {
        let fields = vec![Field::new("start", time.clone()), Field::new("end", time)];
        self.column(name, DataType::Struct(fields))
    }

    /// A duration argument: a string such as `'10 seconds'`, or microseconds.
    fn duration(&mut self, call: &ast::Call, index: usize, parameter: &str, env: &mut Env) -> Result<i64> {
        let argument = &call.args[index].value;
        match self.expr(argument, env)? {
            Expr::Literal { value: Value::String(text), .. } => self.text_duration(&text, argument.span),
            Expr::Literal { value: Value::Int(micros), .. } => Ok(micros),
            Expr::Call { function, args, .. } if function.0 == "negative" => match args.as_slice() {
                [Expr::Literal { value: Value::Int(micros), .. }] => Ok(-micros),
                _ => refuse(not_constant(parameter), argument.span),
            },
            Expr::Literal { data_type, .. } => {
                self.unexpected("window", index + 1, "a duration such as '10 seconds'".to_string(), data_type, argument.span)
            }
            _ => refuse(not_constant(parameter), argument.span),
        }
    }

    /// `'10 seconds'` in microseconds; months have no fixed length and are refused.
    pub(super) fn text_duration(&self, text: &str, span: Span) -> Result<i64> {
        let parts = parse_interval_text(text).map_err(|e| {
            super::AnalysisError::new(Reason::Constant { condition: Some(e.condition.to_string()), message: e.reason.to_string() }, span)
        })?;
        if parts.months != 0 {
            let message = format!("'{text}' has months, which have no fixed length; use days");
            return refuse(Reason::Rule { condition: "_LEGACY_ERROR_TEMP_3231", message }, span);
        }
        Ok(i64::from(parts.days) * 86_400_000_000 + parts.micros)
    }
}

fn not_constant(parameter: &str) -> Reason {
    Reason::NotConstant { call: "window".to_string(), parameter: parameter.to_string() }
}

/// Whether the type is that of a time window.
pub(super) fn is_window(t: &DataType) -> bool {
    match t {
        DataType::Struct(fields) => match fields.as_slice() {
            [start, end] => {
                start.name == "start" && end.name == "end" && matches!(end.data_type, DataType::Timestamp | DataType::TimestampNtz)
            }
            _ => false,
        },
        _ => false,
    }
}

/// The last microsecond of a window: what stands for it in a further window.
fn end_of(window: Expr) -> Expr {
    let DataType::Struct(fields) = window.data_type() else { return window };
    Expr::call("window_time", vec![window], fields[1].data_type.clone())
}
