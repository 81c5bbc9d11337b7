//! Why a statement that parses is refused before it runs.

use crate::diagnostic::{Diagnostic, Span, nearest};
use crate::plan::locate::Clause;
use crate::types::DataType;
use std::fmt;

/// A refusal and where it points.
#[derive(Clone, Debug, PartialEq)]
pub struct AnalysisError {
    /// What is wrong.
    pub reason: Reason,
    /// The words at fault.
    pub span: Span,
}

/// What is wrong with a query. Each variant knows its condition, sentence and advice.
#[derive(Clone, Debug, PartialEq)]
pub enum Reason {
    /// A name that no visible column has; `visible` are names with types.
    UnresolvedColumn { name: String, visible: Vec<(String, String)> },
    /// A name that several visible columns have.
    AmbiguousColumn { name: String, candidates: Vec<String> },
    /// A member that a struct does not have.
    FieldNotFound { field: String, members: Vec<String> },
    /// A member of something that has none.
    NotAStruct { name: String, data_type: DataType },
    /// A relation that the catalog does not have.
    UnresolvedRelation { name: String, known: Vec<String> },
    /// A function that does not exist.
    UnresolvedFunction { name: String, known: Vec<String> },
    /// `STREAM t` where `t` is a bounded table.
    NotAStream { name: String },
    /// A call with the wrong number of arguments.
    WrongArgumentCount { function: String, expected: String, found: usize },
    /// An argument of a type that the function does not take.
    WrongArgumentType { call: String, position: usize, wanted: String, found: DataType },
    /// Operands whose types do not go together.
    OperandTypes { expression: String, left: DataType, right: DataType },
    /// Operands of one type that the operator does not work on.
    OperandType { expression: String, wanted: String, found: DataType },
    /// Values that should have one type and do not.
    DifferentTypes { what: String, types: Vec<DataType> },
    /// A cast that Spark does not have.
    CastNotAllowed { from: DataType, to: DataType },
    /// A condition that is not BOOLEAN.
    NotBoolean { clause: &'static str, found: DataType },
    /// An argument that has to be a constant and is not.
    NotConstant { call: String, parameter: String },
    /// A value outside what a parameter allows; Spark's condition beside it.
    BadParameter { condition: &'static str, message: String },
    /// A constant that fails when it is computed: the condition and message of the failure.
    Constant { condition: Option<String>, message: String },
    /// A column that is neither grouped nor aggregated, without GROUP BY.
    MissingGroupBy { column: String },
    /// A column that is neither grouped nor aggregated, with GROUP BY.
    MissingAggregation { column: String },
    /// An aggregate where none may stand.
    AggregateNotAllowed { condition: &'static str, clause: String, function: String },
    /// An aggregate within an aggregate.
    NestedAggregate,
    /// `GROUP BY 7` or `ORDER BY 7` past the select list.
    OrdinalOutOfRange { clause: &'static str, position: i64, columns: usize },
    /// A number of columns that does not fit the other side.
    ColumnCount { operator: &'static str, left: usize, right: usize },
    /// Columns of the two sides whose types do not go together.
    IncompatibleColumns { operator: &'static str, position: usize, left: DataType, right: DataType },
    /// An alias list of the wrong length.
    AliasCount { condition: &'static str, aliases: usize, columns: usize },
    /// `x.*` where nothing in sight is called `x`.
    StarOfNothing { name: String, known: Vec<String> },
    /// A star where none may stand.
    StarNotAllowed { place: String },
    /// More than one generator, or one in a place where none may stand.
    GeneratorNotAllowed { condition: &'static str, message: String },
    /// A window function without OVER, or in the wrong place.
    WindowNotAllowed { condition: &'static str, message: String },
    /// A sub-query where none may stand.
    Subquery { condition: &'static str, message: String },
    /// Several different time windows in one node.
    SeveralWindows,
    /// A watermark that is not possible.
    Watermark { condition: Option<&'static str>, message: String },
    /// The mode does not fit the query.
    OutputMode { mode: &'static str, why: String, instead: String },
    /// Something that a stream cannot do; the condition where it has a real name.
    Streaming { clause: Clause, condition: Option<&'static str>, message: String, instead: String },
    /// A pipe operator used in a way that is not possible.
    PipeOperator { condition: &'static str, message: String },
    /// Part of the language that this build does not run.
    NotBuilt { what: String },
    /// Any other rule of Spark with its condition.
    Rule { condition: &'static str, message: String },
}

impl AnalysisError {
    /// Boxed, so that results stay small.
    pub fn new(reason: Reason, span: Span) -> Box<AnalysisError> {
        Box::new(AnalysisError { reason, span })
    }
}

impl Reason {
    /// Spark's condition, where it has a name: one that starts with `_LEGACY` is none.
    pub fn condition(&self) -> Option<&str> {
        self.any_condition().filter(|name| !name.starts_with("_LEGACY"))
    }

    fn any_condition(&self) -> Option<&str> {
        Some(match self {
            Reason::UnresolvedColumn { visible, .. } if visible.is_empty() => "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION",
            Reason::UnresolvedColumn { .. } => "UNRESOLVED_COLUMN.WITH_SUGGESTION",
            Reason::AmbiguousColumn { .. } => "AMBIGUOUS_REFERENCE",
            Reason::FieldNotFound { .. } => "FIELD_NOT_FOUND",
            Reason::NotAStruct { .. } => "INVALID_EXTRACT_BASE_FIELD_TYPE",
            Reason::UnresolvedRelation { .. } => "TABLE_OR_VIEW_NOT_FOUND",
            Reason::UnresolvedFunction { .. } => "UNRESOLVED_ROUTINE",
            Reason::WrongArgumentCount { .. } => "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
            Reason::WrongArgumentType { .. } => "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
            Reason::OperandTypes { .. } => "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES",
            Reason::OperandType { .. } => "DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE",
            Reason::DifferentTypes { .. } => "DATATYPE_MISMATCH.DATA_DIFF_TYPES",
            Reason::CastNotAllowed { from, to } => crate::plan::coerce::refused_cast(from, to).0,
            Reason::NotBoolean { clause: "FILTER", .. } => "INVALID_AGGREGATE_FILTER.NOT_BOOLEAN",
            Reason::NotBoolean { clause: "JOIN", .. } => "JOIN_CONDITION_IS_NOT_BOOLEAN_TYPE",
            Reason::NotBoolean { .. } => "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN",
            Reason::NotConstant { .. } => "DATATYPE_MISMATCH.NON_FOLDABLE_INPUT",
            Reason::BadParameter { condition, .. }
            | Reason::AggregateNotAllowed { condition, .. }
            | Reason::GeneratorNotAllowed { condition, .. }
            | Reason::WindowNotAllowed { condition, .. }
            | Reason::Subquery { condition, .. }
            | Reason::PipeOperator { condition, .. }
            | Reason::AliasCount { condition, .. }
            | Reason::Rule { condition, .. } => condition,
            Reason::Constant { condition, .. } => return condition.as_deref(),
            Reason::Watermark { condition, .. } | Reason::Streaming { condition, .. } => return *condition,
            Reason::MissingGroupBy { .. } => "MISSING_GROUP_BY",
            Reason::MissingAggregation { .. } => "MISSING_AGGREGATION",
            Reason::NestedAggregate => "NESTED_AGGREGATE_FUNCTION",
            Reason::OrdinalOutOfRange { clause: "GROUP BY", .. } => "GROUP_BY_POS_OUT_OF_RANGE",
            Reason::OrdinalOutOfRange { .. } => "ORDER_BY_POS_OUT_OF_RANGE",
            Reason::ColumnCount { .. } => "NUM_COLUMNS_MISMATCH",
            Reason::IncompatibleColumns { .. } => "INCOMPATIBLE_COLUMN_TYPE",
            Reason::StarOfNothing { .. } => "CANNOT_RESOLVE_STAR_EXPAND",
            Reason::StarNotAllowed { .. } => "INVALID_USAGE_OF_STAR_OR_REGEX",
            Reason::OutputMode { .. } => "STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION",
            Reason::NotAStream { .. } | Reason::SeveralWindows | Reason::NotBuilt { .. } => return None,
        })
    }

    /// The words beside the caret.
    fn label(&self) -> Option<String> {
        let meant = |found: Option<&str>| found.map(|n| format!("did you mean `{n}`?"));
        match self {
            Reason::UnresolvedColumn { name, visible } => {
                let last = name.rsplit('.').next().unwrap_or(name);
                meant(nearest(last, visible.iter().map(|(n, _)| n.as_str())))
            }
            Reason::StarOfNothing { name, known } => meant(nearest(name, known.iter().map(String::as_str))),
            Reason::FieldNotFound { field, members } => meant(nearest(field, members.iter().map(String::as_str))),
            Reason::UnresolvedRelation { name, known } | Reason::UnresolvedFunction { name, known } => {
                meant(nearest(name, known.iter().map(String::as_str)))
            }
            Reason::WrongArgumentType { found, .. } | Reason::NotBoolean { found, .. } | Reason::OperandType { found, .. } => {
                Some(format!("this is {}", found.sql()))
            }
            Reason::OperandTypes { left, right, .. } => Some(format!("{} and {}", left.sql(), right.sql())),
            _ => None,
        }
    }

    /// Lines below the drawing: what is in sight, what to do.
    fn notes(&self) -> Vec<String> {
        match self {
            Reason::UnresolvedColumn { visible, .. } if !visible.is_empty() => {
                let shown: Vec<_> = visible.iter().take(12).map(|(n, t)| format!("{n} {}", t.to_uppercase())).collect();
                let more = if visible.len() > 12 { format!(" and {} more", visible.len() - 12) } else { String::new() };
                vec![format!("in sight: {}{more}", shown.join(", "))]
            }
            Reason::AmbiguousColumn { candidates, .. } => vec![format!("say which: {}", candidates.join(" or "))],
            Reason::FieldNotFound { members, .. } => vec![format!("its members: {}", members.join(", "))],
            Reason::UnresolvedRelation { known, .. } if known.is_empty() => {
                vec!["there is none yet: CREATE STREAM name USING socket OPTIONS (host 'localhost', port 9999);".to_string()]
            }
            Reason::StarOfNothing { known, .. } if !known.is_empty() => vec![format!("in sight: {}", known.join(", "))],
            Reason::UnresolvedRelation { known, .. } => vec![format!("there are: {}", known.join(", "))],
            Reason::MissingGroupBy { column } => {
                vec![format!("help: add GROUP BY {column}, or put it into an aggregate such as any_value({column})")]
            }
            Reason::MissingAggregation { column } => {
                vec![format!("help: add {column} to GROUP BY, or put it into an aggregate such as any_value({column})")]
            }
            Reason::NotAStream { name } => vec![format!("help: leave STREAM out, or CREATE STREAM {name} …")],
            Reason::OutputMode { instead, .. } | Reason::Streaming { instead, .. } if !instead.is_empty() => {
                vec![format!("help: {instead}")]
            }
            Reason::CastNotAllowed { from, to } => match crate::plan::coerce::refused_cast(from, to).1 {
                Some(functions) => vec![format!("help: use {functions}")],
                None => vec!["help: pick a member first, or build the value with other functions".to_string()],
            },
            Reason::UnresolvedFunction { .. } => vec!["help: SHOW FUNCTIONS LIKE '…' lists what there is".to_string()],
            _ => vec![],
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::UnresolvedColumn { name, .. } => write!(f, "there is no column `{name}` here"),
            Reason::AmbiguousColumn { name, .. } => write!(f, "`{name}` could be any of several columns"),
            Reason::FieldNotFound { field, .. } => write!(f, "the struct has no member `{field}`"),
            Reason::NotAStruct { name, data_type } => write!(f, "`{name}` is {} and has no members", data_type.sql()),
            Reason::UnresolvedRelation { name, .. } => write!(f, "there is no stream, table or view `{name}`"),
            Reason::UnresolvedFunction { name, .. } => write!(f, "there is no function `{name}`"),
            Reason::NotAStream { name } => write!(f, "`{name}` is a bounded table, not a stream"),
            Reason::WrongArgumentCount { function, expected, found } => {
                write!(f, "`{function}` takes {expected}, not {found}")
            }
            Reason::WrongArgumentType { call, position, wanted, .. } => {
                write!(f, "argument {position} of {call} has to be {wanted}")
            }
            Reason::OperandTypes { expression, .. } => write!(f, "the two sides of {expression} do not go together"),
            Reason::OperandType { expression, wanted, .. } => write!(f, "{expression} works on {wanted} only"),
            Reason::DifferentTypes { what, types } => {
                let types: Vec<_> = types.iter().map(DataType::sql).collect();
                write!(f, "{what} should be of one type, not {}", types.join(" and "))
            }
            Reason::CastNotAllowed { from, to } => write!(f, "{} cannot be cast to {}", from.sql(), to.sql()),
            Reason::NotBoolean { clause, .. } => write!(f, "the condition of {clause} has to be true or false"),
            Reason::NotConstant { call, parameter } => write!(f, "`{parameter}` of {call} has to be a constant"),
            Reason::BadParameter { message, .. }
            | Reason::Constant { message, .. }
            | Reason::GeneratorNotAllowed { message, .. }
            | Reason::WindowNotAllowed { message, .. }
            | Reason::Subquery { message, .. }
            | Reason::Watermark { message, .. }
            | Reason::Streaming { message, .. }
            | Reason::PipeOperator { message, .. }
            | Reason::Rule { message, .. } => f.write_str(message),
            Reason::MissingGroupBy { column } => write!(f, "`{column}` stands beside an aggregate, but nothing is grouped"),
            Reason::MissingAggregation { column } => write!(f, "`{column}` is neither grouped by nor inside an aggregate"),
            Reason::AggregateNotAllowed { clause, function, .. } => write!(f, "the aggregate {function} cannot stand in {clause}"),
            Reason::NestedAggregate => f.write_str("an aggregate cannot stand inside another aggregate"),
            Reason::OrdinalOutOfRange { clause, position, columns } => {
                write!(f, "{clause} position {position} is not in the select list of {columns} columns")
            }
            Reason::ColumnCount { operator, left, right } => {
                write!(f, "the sides of {operator} have {left} and {right} columns")
            }
            Reason::IncompatibleColumns { operator, position, left, right } => {
                write!(f, "column {position} of {operator} is {} on one side and {} on the other", left.sql(), right.sql())
            }
            Reason::StarOfNothing { name, .. } => write!(f, "nothing in sight is called `{name}`, so `{name}.*` stands for no columns"),
            Reason::AliasCount { aliases, columns, .. } => write!(f, "{aliases} names for {columns} columns"),
            Reason::StarNotAllowed { place } => write!(f, "* cannot stand in {place}"),
            Reason::SeveralWindows => f.write_str("several different time windows in one query would pair every window with every other"),
            Reason::OutputMode { mode, why, .. } => write!(f, "{mode} mode is not possible here: {why}"),
            Reason::NotBuilt { what } => write!(f, "{what} is not built yet"),
        }
    }
}

impl From<AnalysisError> for Diagnostic {
    fn from(error: AnalysisError) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(error.reason.to_string()).at(error.span);
        diagnostic.condition = error.reason.condition().map(str::to_string);
        diagnostic.label = error.reason.label();
        diagnostic.notes = error.reason.notes();
        diagnostic
    }
}
