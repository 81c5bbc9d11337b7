//! The tree of a statement: spanned, unresolved, as the person wrote it.
//!
//! `SELECT word, count(*) AS n FROM STREAM lines GROUP BY word OUTPUT MODE complete;` becomes
//!
//! ```text
//! Statement::Query(StreamingQuery { name: None, output_mode: Complete, query:
//!   Query { body: Select { items: [word, count(*) AS n], from: [Relation(lines, stream)], group_by: [word] } } })
//! ```
//!
//! `Display` (in `format.rs`) writes text that parses back to an equal tree; spans never take part in
//! equality.

use crate::diagnostic::Span;
use crate::types::{DataType, Value};

/// A name as written; compares without regard to case only in the analyzer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ident {
    /// Without backticks.
    pub name: String,
    /// Where it stands.
    pub span: Span,
}

/// One statement and where it stands in the script.
#[derive(Clone, Debug, PartialEq)]
pub enum Statement {
    /// `CREATE [OR REPLACE] {STREAM | TABLE} [IF NOT EXISTS] name [(col type, …)] USING format [OPTIONS (…)]`
    CreateSource(CreateSource),
    /// `CREATE [OR REPLACE] TABLE name AS query`
    CreateTableAs { or_replace: bool, if_not_exists: bool, name: Ident, query: Query },
    /// `CREATE [OR REPLACE] [TEMP[ORARY]] VIEW name AS query`
    CreateView { or_replace: bool, temporary: bool, name: Ident, query: Query },
    /// `CREATE [OR REPLACE] TEMPORARY FUNCTION name (param type [DEFAULT expr], …) RETURNS type RETURN expr`
    CreateFunction(Box<CreateFunction>),
    /// `DROP [TEMPORARY] FUNCTION [IF EXISTS] name`
    DropFunction { if_exists: bool, name: Ident },
    /// `DROP {STREAM | TABLE | VIEW} [IF EXISTS] name`
    Drop { kind: RelationKind, if_exists: bool, name: Ident },
    /// A query, with the streaming clauses around it.
    Query(Box<StreamingQuery>),
    /// `SHOW {QUERIES | STREAMS | TABLES | VIEWS | FUNCTIONS [LIKE '…']}`
    Show { what: ShowKind, like: Option<String> },
    /// `DESCRIBE name`, `DESCRIBE QUERY name`, `DESCRIBE FUNCTION [EXTENDED] name`
    Describe(Describe),
    /// `INFER SCHEMA FROM name [LIMIT n]`
    InferSchema { name: Ident, limit: Option<u64> },
    /// `EXPLAIN [EXTENDED] query`
    Explain { extended: bool, query: Box<StreamingQuery> },
    /// `PAUSE`, `RESUME` or `STOP`, of one query or `ALL`
    Control { action: ControlAction, target: Target },
    /// `CRASH name [AFTER {OFFSETS | SINK | STATE}]`
    Crash { name: Ident, after: Option<CrashAfter> },
    /// `ALTER QUERY name AS query`
    AlterQuery { name: Ident, query: Box<Query> },
    /// `AWAIT name [TIMEOUT interval]`; the interval in microseconds
    Await { name: Ident, timeout: Option<i64> },
    /// `SET key = value`; without a value it prints the setting, without a key all of them
    /// `SET [key [= value]]`; `span` is the key's, where there is one.
    Set { key: Option<String>, value: Option<String>, span: Span, value_span: Span },
    /// `RESET [key]`
    Reset { key: Option<String>, span: Span },
    /// `SOURCE 'file.sql'`
    Source { path: String, span: Span },
    /// A statement of the language that this build does not run: refused by name.
    Unavailable { what: String, span: Span },
}

/// What `CREATE STREAM` and `CREATE TABLE … USING` share.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateSource {
    pub kind: RelationKind,
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Ident,
    pub columns: Option<Vec<ColumnDef>>,
    pub format: Ident,
    pub options: Vec<OptionDef>,
}

/// A function of the session: an expression, or with `RETURNS TABLE` a query.
#[derive(Clone, Debug, PartialEq)]
pub struct CreateFunction {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Ident,
    pub params: Vec<Parameter>,
    pub returns: Returns,
    pub comment: Option<String>,
    pub body: FunctionBody,
    /// Of the body.
    pub body_span: Span,
}

/// `name type [DEFAULT expr]`
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: Ident,
    pub data_type: DataType,
    pub default: Option<Expr>,
}

/// What a function declares to give.
#[derive(Clone, Debug, PartialEq)]
pub enum Returns {
    /// Whatever the body gives.
    Nothing,
    Type(DataType),
    /// `TABLE [(col type, …)]`
    Table(Option<Vec<ColumnDef>>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum FunctionBody {
    Value(Expr),
    Rows(Box<Query>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelationKind {
    Stream,
    Table,
    View,
}

/// `name type`
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDef {
    pub name: Ident,
    pub data_type: DataType,
}

/// `key 'value'` within OPTIONS; numbers and booleans arrive as their text.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionDef {
    pub key: String,
    pub value: String,
    /// Of key and value together.
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShowKind {
    Queries,
    Streams,
    Tables,
    Views,
    Functions,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Describe {
    Relation(Ident),
    Query(Ident),
    Function { name: Ident, extended: bool },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlAction {
    Pause,
    Resume,
    Stop,
}

/// Where in the next batch CRASH ends a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrashAfter {
    Offsets,
    Sink,
    State,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    Named(Ident),
    All,
}

/// A query with what Spark has no SQL for.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamingQuery {
    /// `START [QUERY] name AS`
    pub name: Option<Ident>,
    pub query: Query,
    pub sink: Option<SinkDef>,
    pub output_mode: Option<(OutputModeDef, Span)>,
    pub trigger: Option<(TriggerDef, Span)>,
    pub checkpoint: Option<(String, Span)>,
    pub span: Span,
}

/// `INTO format [OPTIONS (…)] [PARTITIONED BY (…)]`
#[derive(Clone, Debug, PartialEq)]
pub struct SinkDef {
    pub format: Ident,
    pub options: Vec<OptionDef>,
    pub partitioned_by: Vec<Ident>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum OutputModeDef {
    Append,
    Update,
    Complete,
    /// `BATCH [OVER LAST interval [EVERY interval]]`, in microseconds.
    Batch {
        over: Option<i64>,
        every: Option<i64>,
    },
}

/// Intervals in microseconds.
#[derive(Clone, Debug, PartialEq)]
pub enum TriggerDef {
    ProcessingTime(i64),
    AvailableNow,
    Once,
    Continuous(i64),
    EveryRows(u64),
}

/// `WITH …`, a body, and what stands after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub ctes: Vec<Cte>,
    pub body: QueryBody,
    pub order_by: Vec<SortItem>,
    /// `SORT BY`; CLUSTER BY sorts too.
    pub sort_by: Vec<SortItem>,
    /// `DISTRIBUTE BY` and `CLUSTER BY`: rows are spread over the cores by themselves, so it only names columns.
    pub distribute_by: Vec<Expr>,
    pub limit: Option<Expr>,
    pub offset: Option<Expr>,
    pub span: Span,
}

/// `name [(columns)] AS (query)`
#[derive(Clone, Debug, PartialEq)]
pub struct Cte {
    pub name: Ident,
    pub columns: Vec<Ident>,
    pub query: Query,
}

#[derive(Clone, Debug, PartialEq)]
pub enum QueryBody {
    Select(Box<Select>),
    /// `left {UNION | INTERSECT | EXCEPT} [ALL] right`
    SetOperation {
        op: SetOperator,
        all: bool,
        left: Box<QueryBody>,
        right: Box<QueryBody>,
        span: Span,
    },
    /// `VALUES (…), … [AS t(a, b)]`
    Values(ValuesTable),
    /// `TABLE name`
    Table(RelationName),
    /// `FROM relation, …` with nothing selected: the start of a pipe.
    From(Vec<TableRef>),
    /// `input |> operator`
    Pipe {
        input: Box<QueryBody>,
        operator: Box<PipeOperator>,
        span: Span,
    },
    /// `(query)`
    Nested(Box<Query>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperator {
    Union,
    Intersect,
    Except,
}

/// `VALUES (1, 'a'), (2, 'b') AS t(id, name)`
#[derive(Clone, Debug, PartialEq)]
pub struct ValuesTable {
    pub rows: Vec<Vec<Expr>>,
    pub alias: Option<TableAlias>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    pub distinct: bool,
    /// Hints as written, `REPARTITION(3)`.
    pub hints: Vec<String>,
    pub items: Vec<SelectItem>,
    pub from: Vec<TableRef>,
    pub lateral_views: Vec<LateralView>,
    pub filter: Option<Expr>,
    pub group_by: Option<GroupBy>,
    pub having: Option<Expr>,
    pub qualify: Option<Expr>,
    /// `WINDOW w AS (…), …`
    pub windows: Vec<(Ident, WindowSpec)>,
    pub span: Span,
}

/// An expression with its alias: `AS n`, or `AS (k, v)` for generators.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectItem {
    pub expr: Expr,
    pub aliases: Vec<Ident>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct GroupBy {
    /// `GROUP BY ALL`
    pub all: bool,
    /// Rows are grouped by every combination of one set of each item.
    pub items: Vec<GroupItem>,
    /// `GROUP BY a, b GROUPING SETS (…)`: the list in front, which gives the columns their order.
    pub listed: Vec<Expr>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum GroupItem {
    /// A grouping expression, with the alias that `|> AGGREGATE … GROUP BY e AS a` allows.
    Plain(SelectItem),
    Sets(GroupingSets),
}

#[derive(Clone, Debug, PartialEq)]
pub enum GroupingSets {
    Rollup(Vec<Vec<Expr>>),
    Cube(Vec<Vec<Expr>>),
    Sets(Vec<GroupingElement>),
}

/// An entry of GROUPING SETS: a set, or the sets of what stands inside.
#[derive(Clone, Debug, PartialEq)]
pub enum GroupingElement {
    Set(Vec<Expr>),
    Nested(GroupingSets),
}

/// `LATERAL VIEW [OUTER] generator(args) table AS a, b`
#[derive(Clone, Debug, PartialEq)]
pub struct LateralView {
    pub outer: bool,
    pub generator: Expr,
    pub table: Ident,
    pub columns: Vec<Ident>,
    pub span: Span,
}

/// `t`, `default.t` or `spark_catalog.default.t`
#[derive(Clone, Debug, PartialEq)]
pub struct RelationName {
    /// Catalog and schema, as far as they are written.
    pub path: Vec<Ident>,
    pub name: Ident,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TableAlias {
    /// Empty in `AS (a, b)`.
    pub name: Ident,
    pub columns: Vec<Ident>,
}

/// `WATERMARK expr [AS col] DELAY OF INTERVAL n unit`
#[derive(Clone, Debug, PartialEq)]
pub struct WatermarkClause {
    pub expr: Expr,
    pub alias: Option<Ident>,
    /// The interval literal.
    pub delay: Expr,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TableRef {
    /// `[STREAM] name [TABLESAMPLE (…)] [WATERMARK …] [AS alias]`
    Relation {
        name: RelationName,
        stream: bool,
        sample: Option<Sample>,
        watermark: Option<Box<WatermarkClause>>,
        alias: Option<TableAlias>,
        span: Span,
    },
    /// `(query) [TABLESAMPLE (…)] [WATERMARK …] [AS alias]`
    Subquery {
        query: Box<Query>,
        lateral: bool,
        sample: Option<Sample>,
        watermark: Option<Box<WatermarkClause>>,
        alias: Option<TableAlias>,
        span: Span,
    },
    Values(ValuesTable),
    /// `name(args) [AS alias]`: `range(10)`, `explode(array(1, 2))`, `progress('q')`
    Function {
        name: Ident,
        args: Vec<Argument>,
        lateral: bool,
        alias: Option<TableAlias>,
        span: Span,
    },
    Join(Box<Join>),
    /// `(relation JOIN relation …) [TABLESAMPLE (…)] [AS alias]`
    Nested(Box<TableRef>, Option<Sample>, Option<TableAlias>),
    /// `relation PIVOT (…)`
    Pivot(Box<TableRef>, Box<Pivot>, Option<TableAlias>),
    /// `relation UNPIVOT (…)`
    Unpivot(Box<TableRef>, Box<Unpivot>, Option<TableAlias>),
}

/// `TABLESAMPLE (n PERCENT | n ROWS) [REPEATABLE (seed)]`
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub amount: SampleAmount,
    pub seed: Option<i64>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SampleAmount {
    Percent(f64),
    Rows(u64),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Join {
    pub left: TableRef,
    pub right: TableRef,
    pub kind: JoinKind,
    pub natural: bool,
    pub condition: JoinCondition,
    /// Of the JOIN keywords.
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum JoinKind {
    Inner,
    Cross,
    Left,
    Right,
    Full,
    LeftSemi,
    LeftAnti,
}

#[derive(Clone, Debug, PartialEq)]
pub enum JoinCondition {
    None,
    On(Expr),
    Using(Vec<Ident>),
}

/// `PIVOT (aggregates FOR column IN (values))`
#[derive(Clone, Debug, PartialEq)]
pub struct Pivot {
    pub aggregates: Vec<SelectItem>,
    pub columns: Vec<Expr>,
    pub values: Vec<SelectItem>,
    pub span: Span,
}

/// `UNPIVOT [INCLUDE NULLS] (value FOR name IN (columns))`
#[derive(Clone, Debug, PartialEq)]
pub struct Unpivot {
    pub include_nulls: bool,
    pub values: Vec<Ident>,
    pub name: Ident,
    /// Each entry: the columns that make one row, and the alias given to them.
    pub columns: Vec<(Vec<Expr>, Option<Ident>)>,
    pub span: Span,
}

/// What may stand after `|>`.
#[derive(Clone, Debug, PartialEq)]
pub enum PipeOperator {
    Where(Expr),
    Select {
        distinct: bool,
        items: Vec<SelectItem>,
    },
    Extend(Vec<SelectItem>),
    Set(Vec<(Ident, Expr)>),
    Drop(Vec<Ident>),
    As(Ident),
    Aggregate {
        items: Vec<SelectItem>,
        group_by: Option<GroupBy>,
    },
    /// The right side and the kind of join; `left` of the join is the input.
    Join {
        right: TableRef,
        kind: JoinKind,
        natural: bool,
        condition: JoinCondition,
    },
    SetOperation {
        op: SetOperator,
        all: bool,
        right: QueryBody,
    },
    OrderBy(Vec<SortItem>),
    SortBy(Vec<SortItem>),
    Limit(Expr),
    Offset(Expr),
    Pivot(Pivot, Option<TableAlias>),
    Unpivot(Unpivot, Option<TableAlias>),
    TableSample(Sample),
    LateralView(LateralView),
    /// `DEDUPLICATE [ON (cols)] [WITHIN WATERMARK]`
    Deduplicate {
        on: Vec<Ident>,
        within_watermark: bool,
    },
    /// `STATEFUL BY …`: refused by name until it is built.
    Stateful,
}

/// `expr [ASC | DESC] [NULLS {FIRST | LAST}]`
#[derive(Clone, Debug, PartialEq)]
pub struct SortItem {
    pub expr: Expr,
    pub descending: bool,
    /// `None` where the text leaves it to Spark: first when ascending, last when descending.
    pub nulls_first: Option<bool>,
}

/// An expression and where it stands.
#[derive(Debug, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

/// Walks down the left side in a loop: `a + b + c …` may be thousands of levels deep there.
impl Clone for Expr {
    fn clone(&self) -> Expr {
        let mut spine = Vec::new();
        let mut leftmost = self;
        while let ExprKind::Binary { op, left, right } = &leftmost.kind {
            spine.push((*op, right, leftmost.span));
            leftmost = left;
        }
        let mut copy = Expr { kind: leftmost.kind.clone(), span: leftmost.span };
        for (op, right, span) in spine.into_iter().rev() {
            copy = Expr { kind: ExprKind::Binary { op, left: Box::new(copy), right: right.clone() }, span };
        }
        copy
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A constant with the type its spelling gives it: `1`, `1L`, `1.50`, `'a'`, `DATE'2024-02-29'`.
    Literal(Value, DataType),
    /// `TIMESTAMP'…'` whose meaning hangs on the session's zone: kept as text until analysis.
    TimestampLiteral(String),
    /// `a`, `t.a`, `t.s.f`
    Name(Vec<Ident>),
    /// `*`, `t.*`, `* EXCEPT (a, b)`
    Star {
        qualifier: Vec<Ident>,
        except: Vec<Vec<Ident>>,
    },
    Unary {
        op: UnaryOp,
        expr: Box<Expr>,
    },
    Binary {
        op: BinaryOp,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Between {
        expr: Box<Expr>,
        low: Box<Expr>,
        high: Box<Expr>,
        negated: bool,
    },
    InList {
        expr: Box<Expr>,
        list: Vec<Expr>,
        negated: bool,
    },
    InSubquery {
        expr: Box<Expr>,
        query: Box<Query>,
        negated: bool,
    },
    Exists(Box<Query>),
    ScalarSubquery(Box<Query>),
    /// `expr [NOT] {LIKE | ILIKE | RLIKE} [ANY | ALL] pattern [ESCAPE 'c']`
    Like {
        kind: LikeKind,
        expr: Box<Expr>,
        patterns: Vec<Expr>,
        quantifier: Option<LikeQuantifier>,
        escape: Option<char>,
        negated: bool,
    },
    IsNull {
        expr: Box<Expr>,
        negated: bool,
    },
    /// `IS [NOT] {TRUE | FALSE | UNKNOWN}`; `None` is UNKNOWN
    IsBoolean {
        expr: Box<Expr>,
        value: Option<bool>,
        negated: bool,
    },
    /// `IS [NOT] DISTINCT FROM`
    IsDistinct {
        left: Box<Expr>,
        right: Box<Expr>,
        negated: bool,
    },
    Case {
        operand: Option<Box<Expr>>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Box<Expr>>,
    },
    /// `CAST(e AS t)`, `TRY_CAST(e AS t)`, `e::t`
    Cast {
        expr: Box<Expr>,
        to: DataType,
        attempt: bool,
    },
    Call(Box<Call>),
    /// `x -> body`, `(a, b) -> body`
    Lambda {
        params: Vec<Ident>,
        body: Box<Expr>,
    },
    /// `a[0]`, `m['k']`
    Subscript {
        expr: Box<Expr>,
        index: Box<Expr>,
    },
    /// `expr.field` where the left side is not a plain name
    Field {
        expr: Box<Expr>,
        name: Ident,
    },
    /// `INTERVAL 5 MINUTES`, `INTERVAL 1 YEAR 2 MONTHS`, `INTERVAL '1-2' YEAR TO MONTH`
    Interval(Interval),
    /// `(a, b)`
    Row(Vec<Expr>),
    /// `:name`
    Parameter(String),
}

/// The parts of an interval literal, as written.
#[derive(Clone, Debug, PartialEq)]
pub enum Interval {
    /// Pairs of amount and unit: `5 MINUTES`, `'1' DAY`; amounts may be expressions (`INTERVAL n SECONDS` is `make_…`).
    Units(Vec<(Expr, String)>),
    /// `'1 2:03' DAY TO MINUTE`
    Range { text: String, negated: bool, from: String, to: String },
    /// `INTERVAL '5 minutes 3 seconds'`: units inside the string
    Text(String),
}

/// `f([DISTINCT] args) [FILTER (WHERE e)] [IGNORE NULLS] [WITHIN GROUP (ORDER BY e)] [OVER (…)]`
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    pub name: Ident,
    pub distinct: bool,
    pub args: Vec<Argument>,
    pub filter: Option<Expr>,
    pub ignore_nulls: Option<bool>,
    pub within_group: Vec<SortItem>,
    pub over: Option<WindowSpec>,
}

/// An argument, perhaps named: `f(a => 1)`
#[derive(Clone, Debug, PartialEq)]
pub struct Argument {
    pub name: Option<Ident>,
    pub value: Expr,
}

/// `(PARTITION BY … ORDER BY … frame)`, or the name of one in the WINDOW clause.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowSpec {
    /// `OVER w`, `OVER (w)`: then all else is empty.
    pub name: Option<Ident>,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<SortItem>,
    pub frame: Option<WindowFrame>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct WindowFrame {
    /// ROWS rather than RANGE
    pub rows: bool,
    pub start: FrameBound,
    pub end: FrameBound,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Box<Expr>),
    CurrentRow,
    Following(Box<Expr>),
    UnboundedFollowing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    Plus,
    Minus,
    Not,
    BitNot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BinaryOp {
    Or,
    And,
    Eq,
    NullSafeEq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    Plus,
    Minus,
    Multiply,
    Divide,
    /// `DIV`
    IntDivide,
    Modulo,
    Concat,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
    ShiftRightUnsigned,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeKind {
    Like,
    ILike,
    RLike,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeQuantifier {
    Any,
    All,
}
