//! What Spark is silent about and a learner would want to know: conditions that are never true, branches that are never
//! reached, strings that are read as numbers.

use super::call::is_constant;
use super::{Analyzer, Env};
use crate::diagnostic::{Diagnostic, Span};
use crate::lang::ast::{self, BinaryOp, ExprKind, LikeKind};
use crate::plan::expr::Expr;
use crate::plan::naming::spell;
use crate::plan::scope::{Found, same};
use crate::plan::streaming::conjuncts;
use crate::types::{DataType, Value};
use std::cmp::Ordering;

/// More warnings than these would hide each other.
const MOST: usize = 8;

impl Analyzer<'_> {
    /// One sentence, the words beside the caret, and what to do. Texts that are not the query's are left alone.
    pub(super) fn warn(&mut self, span: Span, message: String, label: &str, help: &str) {
        let told = |w: &Diagnostic| w.message == message && w.span.is_some_and(|s| s.range() == span.range());
        if self.foreign || self.warnings.len() >= MOST || self.warnings.iter().any(told) {
            return;
        }
        let warning = Diagnostic::warning(message).at(span).note(format!("help: {help}"));
        self.warnings.push(if label.is_empty() { warning } else { warning.label(label) });
    }

    /// A comparison with NULL, or of a STRING column with a number.
    pub(super) fn warn_comparison(&mut self, op: BinaryOp, (left, l): (&ast::Expr, &Expr), (right, r): (&ast::Expr, &Expr), e: &ast::Expr) {
        let is_null = |e: &ast::Expr| matches!(e.kind, ExprKind::Literal(Value::Null, _));
        if op != BinaryOp::NullSafeEq && (is_null(left) || is_null(right)) {
            let (value, not) = (if is_null(left) { right } else { left }, if op == BinaryOp::NotEq { "NOT " } else { "" });
            let message = "a comparison with NULL is NULL for every row, never true: NULL equals nothing, not even NULL".to_string();
            self.warn(e.span, message, "", &format!("write {} IS {not}NULL", spell(value)));
            return;
        }
        for (text, tree, other) in [(l, left, r), (r, right, l)] {
            let number = other.data_type();
            if matches!(text, Expr::Column { data_type: DataType::String, .. }) && number.is_numeric() {
                let name = spell(tree);
                let target = if number.is_integral() { "BIGINT" } else { "DOUBLE" };
                let message = format!("{name} is a STRING that is read as a {target} here: a row where it is no number fails the query");
                let help = format!("try_cast({name} AS {target}) gives NULL there; to compare texts, quote the number");
                self.warn(tree.span, message, "STRING", &help);
            }
        }
    }

    /// `LIKE 'abc'`
    pub(super) fn warn_like(&mut self, kind: LikeKind, patterns: &[ast::Expr]) {
        let [pattern] = patterns else { return };
        let ExprKind::Literal(Value::String(text), _) = &pattern.kind else { return };
        if kind == LikeKind::Like && !text.contains(['%', '_']) {
            let message = format!("LIKE '{text}' has no % and no _, so it is the same as = '{text}'");
            self.warn(pattern.span, message, "", &format!("'%{text}%' finds it anywhere, '{text}%' at the start"));
        }
    }

    /// Branches of CASE behind one that is always taken, or with a condition that stood before.
    pub(super) fn warn_case(&mut self, conditions: &[Expr], branches: &[(ast::Expr, ast::Expr)]) {
        for (i, condition) in conditions.iter().enumerate() {
            let span = branches[i].0.span;
            if let Some(before) = conditions[..i].iter().position(|c| c == condition) {
                let message = format!("this branch is never reached: {} is tested before already", spell(&branches[before].0));
                self.warn(span, message, "", "leave the branch out, or change its condition");
            } else if let Some(taken) = conditions[..i].iter().position(|c| is_literal(c, &Value::Boolean(true))) {
                let message = format!("this branch is never reached: {} is always true", spell(&branches[taken].0));
                self.warn(span, message, "", "put it before the branch that is always taken");
            }
        }
    }

    /// A condition that no row can pass: a constant that is not TRUE, or ranges without a common value.
    pub(super) fn warn_never_true(&mut self, condition: &Expr, clause: &str, e: &ast::Expr) {
        let mut parts = Vec::new();
        conjuncts(condition, &mut parts);
        let constant = parts.iter().find(|part| is_constant(part) && part.children().len() < 64).map(|part| self.fold.fold(part));
        match constant {
            Some(Ok(Value::Boolean(false))) => {
                self.warn(
                    e.span,
                    format!("this condition of {clause} is never true, so no row passes"),
                    "always false",
                    "leave the constant part out",
                );
            }
            Some(Ok(Value::Null)) => {
                self.warn(
                    e.span,
                    format!("this condition of {clause} is never true, so no row passes"),
                    "always NULL",
                    "test for NULL with IS NULL",
                );
            }
            _ => {}
        }
        if let Some((name, why)) = contradiction(&parts, self.fold) {
            let message = format!("this condition of {clause} is never true: {name} cannot be {why}");
            self.warn(e.span, message, "", "use OR, or mend one of the bounds");
        }
    }

    /// `GROUP BY v` where `v` is a column and an alias of something else.
    pub(super) fn warn_shadowed(&mut self, name: &ast::Ident, items: &[ast::SelectItem], env: &Env) {
        if !matches!(env.scope.find(&[&name.name]), Found::Column(..)) {
            return;
        }
        let other = items.iter().find(|i| i.aliases.first().is_some_and(|a| same(&a.name, &name.name)));
        if let Some(item) =
            other.filter(|i| !matches!(&i.expr.kind, ExprKind::Name(parts) if parts.last().is_some_and(|p| same(&p.name, &name.name))))
        {
            let message = format!("GROUP BY {0} groups by the column {0}, not by {1} AS {0}", name.name, spell(&item.expr));
            self.warn(name.span, message, "", &format!("give the alias another name, or write GROUP BY {}", spell(&item.expr)));
        }
    }
}

fn is_literal(e: &Expr, wanted: &Value) -> bool {
    matches!(e, Expr::Literal { value, .. } if value == wanted)
}

/// The tightest bounds of one expression so far, and whether the bound itself is allowed.
struct Bounds<'e> {
    of: &'e Expr,
    low: Option<(Value, bool)>,
    high: Option<(Value, bool)>,
}

/// An expression whose bounds exclude each other, and those bounds in words.
fn contradiction(parts: &[&Expr], fold: &dyn crate::plan::Fold) -> Option<(String, String)> {
    let mut all: Vec<Bounds<'_>> = Vec::new();
    for part in parts {
        let Expr::Call { function, args, .. } = part else { continue };
        let [a, b] = args.as_slice() else { continue };
        let (of, constant, op) = match (is_constant(a), is_constant(b)) {
            (false, true) => (a, b, function.0),
            (true, false) => (b, a, flipped(function.0)),
            _ => continue,
        };
        let Ok(value) = fold.fold(constant) else { continue };
        if value.is_null() || !matches!(op, "=" | "<" | "<=" | ">" | ">=") {
            continue;
        }
        let at = all.iter().position(|b| b.of == of).unwrap_or_else(|| {
            all.push(Bounds { of, low: None, high: None });
            all.len() - 1
        });
        let bounds = &mut all[at];
        if matches!(op, "=" | ">" | ">=") {
            tighten(&mut bounds.low, &value, op != ">", Ordering::Greater);
        }
        if matches!(op, "=" | "<" | "<=") {
            tighten(&mut bounds.high, &value, op != "<", Ordering::Less);
        }
        if let (Some((low, from)), Some((high, to))) = (&bounds.low, &bounds.high) {
            let excluded = match order(low, high) {
                Some(Ordering::Greater) => true,
                Some(Ordering::Equal) => !from || !to,
                _ => false,
            };
            if excluded {
                let data_type = bounds.of.data_type();
                let word = |value: &Value| crate::plan::explain::literal(value, &data_type);
                let text = format!(
                    "{} {} and {} {}",
                    if *from { "at least" } else { "above" },
                    word(low),
                    if *to { "at most" } else { "below" },
                    word(high)
                );
                let name = match bounds.of {
                    Expr::Column { name, .. } => name.clone(),
                    _ => "the value".to_string(),
                };
                return Some((name, text));
            }
        }
    }
    None
}

fn flipped(op: &'static str) -> &'static str {
    match op {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        same => same,
    }
}

/// Takes the new bound where it is tighter: `tighter` says on which side of the old one it then lies.
fn tighten(bound: &mut Option<(Value, bool)>, value: &Value, inclusive: bool, tighter: Ordering) {
    let replace = match bound {
        None => true,
        Some((old, old_inclusive)) => match order(value, old) {
            Some(Ordering::Equal) => *old_inclusive && !inclusive,
            Some(found) => found == tighter,
            None => false,
        },
    };
    if replace {
        *bound = Some((value.clone(), inclusive));
    }
}

/// The order of two constants of one simple type.
fn order(a: &Value, b: &Value) -> Option<Ordering> {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) | (Value::Timestamp(a), Value::Timestamp(b)) => Some(a.cmp(b)),
        (Value::Date(a), Value::Date(b)) => Some(a.cmp(b)),
        (Value::Decimal(a), Value::Decimal(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
        _ => None,
    }
}
