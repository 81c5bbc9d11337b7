//! Expressions.

use super::*;

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
