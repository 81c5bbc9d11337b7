//! Queries: SELECT, its clauses, joins, set operations, pipes.

use super::*;

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
