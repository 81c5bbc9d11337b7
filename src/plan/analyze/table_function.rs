//! Functions in FROM: `range`, generators, tables about queries, own functions, `IDENTIFIER`.

use super::query::visible;
use super::{Aggregates, Analyzer, Env, Relation, Result, refuse};
use crate::diagnostic::Span;
use crate::lang::ast;
use crate::plan::coerce::can_cast;
use crate::plan::error::Reason;
use crate::plan::expr::Expr;
use crate::plan::functions::{self, Kind};
use crate::plan::logical::LogicalPlan;
use crate::plan::scope::Scope;
use crate::types::{DataType, Value};

impl Analyzer<'_> {
    pub(super) fn table_function(&mut self, name: &ast::Ident, args: &[ast::Argument], span: Span) -> Result<Relation> {
        let lower = name.name.to_ascii_lowercase();
        if let Some(function) = self.catalog.function(&lower).cloned() {
            let mut env = Env::new(Scope::default(), Aggregates::Forbidden("INVALID_WHERE_CONDITION", "FROM"));
            let relation = self.own_table(&function, args, span, &mut env)?;
            if let Some(tied) = env.joins.first() {
                let message = "a sub-query cannot be an argument here".to_string();
                let condition = "UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_CORRELATED_SCALAR_SUBQUERY";
                return refuse(Reason::Subquery { condition, message }, tied.span);
            }
            return Ok(relation);
        }
        if (self.settings.system_tables)(&lower, &[]).is_some() {
            let mut values = Vec::new();
            for argument in args {
                let expr = self.plain_expr(&argument.value, &Scope::default(), "FROM")?;
                values.push(self.constant(&expr, argument.value.span)?);
            }
            let fields = (self.settings.system_tables)(&lower, &values).unwrap_or_default();
            let columns: Vec<_> = fields.into_iter().map(|f| self.column(f.name, f.data_type)).collect();
            let scope = Scope::of(columns.clone(), Some(&name.name));
            return Ok((LogicalPlan::System { function: lower, args: values, columns }, scope));
        }
        match functions::find(&lower) {
            _ if lower == "range" => self.range(args, span),
            _ if lower == "identifier" => self.identified(args, span),
            Some(f) if f.kind == Kind::Generator => self.generated_table(name, args, span),
            Some(_) => {
                let message = format!("`{}` gives a value, not a table; it belongs into an expression", name.name);
                refuse(Reason::Rule { condition: "NOT_A_TABLE_FUNCTION", message }, name.span)
            }
            None => {
                let message = format!("there is no table function `{}`: range, explode, posexplode, inline, stack, json_tuple", name.name);
                refuse(Reason::Rule { condition: "UNRESOLVABLE_TABLE_VALUED_FUNCTION", message }, name.span)
            }
        }
    }

    /// `explode(…)` and its like over a single row.
    fn generated_table(&mut self, name: &ast::Ident, args: &[ast::Argument], span: Span) -> Result<Relation> {
        let call = ast::Call {
            name: name.clone(),
            distinct: false,
            args: args.to_vec(),
            filter: None,
            ignore_nulls: None,
            within_group: vec![],
            over: None,
        };
        let generator = ast::Expr { kind: ast::ExprKind::Call(Box::new(call)), span };
        let view = ast::LateralView { outer: false, generator, table: name.clone(), columns: vec![], span };
        let one_row = (LogicalPlan::Values { rows: vec![vec![]], columns: vec![] }, Scope::default());
        let (plan, scope) = self.lateral_view(one_row, &view)?;
        Ok((plan, Scope::of(visible(&scope), None)))
    }

    /// `IDENTIFIER('default.t')`, `IDENTIFIER(:name)`: the relation of that name.
    fn identified(&mut self, args: &[ast::Argument], span: Span) -> Result<Relation> {
        let mut parts = self.identifier_parts(args, span)?;
        let name = parts.pop().ok_or_else(|| super::AnalysisError::new(no_identifier(), span))?;
        self.relation_named(&ast::RelationName { path: parts, name }, false)
    }

    /// The parts of the name that the constant text in `IDENTIFIER(…)` spells.
    pub(super) fn identifier_parts(&mut self, args: &[ast::Argument], span: Span) -> Result<Vec<ast::Ident>> {
        let [argument] = args else { return refuse(no_identifier(), span) };
        let text = self.plain_expr(&argument.value, &Scope::default(), "IDENTIFIER")?;
        if !super::is_constant(&text) || text.data_type() != DataType::String {
            let message = "IDENTIFIER wants a constant STRING".to_string();
            return refuse(Reason::Rule { condition: "NOT_A_CONSTANT_STRING.WRONG_TYPE", message }, argument.value.span);
        }
        let Value::String(text) = self.constant(&text, argument.value.span)? else { return refuse(no_identifier(), span) };
        match crate::lang::parse_expression(&text).map(|e| e.kind) {
            Ok(ast::ExprKind::Name(parts)) => Ok(parts.into_iter().map(|p| ast::Ident { span, ..p }).collect()),
            _ => refuse(no_identifier(), span),
        }
    }

    /// `range([start,] end [, step [, partitions]])`
    fn range(&mut self, args: &[ast::Argument], span: Span) -> Result<Relation> {
        const NAMES: [&str; 4] = ["start", "end", "step", "numSlices"];
        let mut numbers = Vec::new();
        for (i, argument) in args.iter().enumerate() {
            let at = argument.value.span;
            let lateral = !self.outer.is_empty();
            let expr = self.plain_expr(&argument.value, &Scope::default(), "FROM");
            let expr =
                expr.map_err(|e| if lateral && matches!(e.reason, Reason::UnresolvedColumn { .. }) { not_foldable(at) } else { e })?;
            let name = if args.len() == 1 { "end" } else { NAMES.get(i).copied().unwrap_or("argument") };
            if !super::is_constant(&expr) {
                let message = format!("`{name}` of range has to be a constant");
                return refuse(Reason::Rule { condition: "NON_FOLDABLE_ARGUMENT", message }, at);
            }
            let found = expr.data_type();
            if found == DataType::Void || !can_cast(&found, &DataType::BigInt) {
                let message = format!("`{name}` of range has to be a BIGINT, not {}", found.sql());
                return refuse(Reason::Rule { condition: "UNEXPECTED_INPUT_TYPE", message }, at);
            }
            match self.constant(&Expr::Cast { expr: Box::new(expr), to: DataType::BigInt, attempt: false }, at)? {
                Value::Int(n) => numbers.push(n),
                _ => {
                    let message = format!("`{name}` of range cannot be NULL");
                    return refuse(Reason::Rule { condition: "UNEXPECTED_INPUT_TYPE", message }, at);
                }
            }
        }
        let (start, end, step) = match numbers.as_slice() {
            [end] => (0, *end, 1),
            [start, end] => (*start, *end, 1),
            [_, _, 0] | [_, _, 0, _] => {
                let message = "the step of range cannot be 0".to_string();
                return refuse(Reason::Rule { condition: "FAILED_FUNCTION_CALL", message }, span);
            }
            [start, end, step] | [start, end, step, _] => (*start, *end, *step),
            _ => {
                let expected = "an end, or a start and an end and perhaps a step".to_string();
                return refuse(Reason::WrongArgumentCount { function: "range".to_string(), expected, found: args.len() }, span);
            }
        };
        let column = self.column("id", DataType::BigInt);
        let scope = Scope::of(vec![column.clone()], None);
        Ok((LogicalPlan::Range { start, end, step, column }, scope))
    }
}

fn not_foldable(span: Span) -> Box<super::AnalysisError> {
    let message = "the arguments of range have to be constants".to_string();
    super::AnalysisError::new(Reason::Rule { condition: "NON_FOLDABLE_ARGUMENT", message }, span)
}

fn no_identifier() -> Reason {
    let message = "IDENTIFIER wants one text that spells a name, such as 'default.t'".to_string();
    Reason::Rule { condition: "PARSE_SYNTAX_ERROR", message }
}
