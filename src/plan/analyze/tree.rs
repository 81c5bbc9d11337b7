//! Walks over the trees of expressions as they were written.

use crate::lang::ast::{self, ExprKind};

/// The expressions directly below.
pub(crate) fn children(e: &ast::Expr) -> Vec<&ast::Expr> {
    match &e.kind {
        ExprKind::Literal(..)
        | ExprKind::TimestampLiteral(_)
        | ExprKind::Name(_)
        | ExprKind::Star { .. }
        | ExprKind::Exists(_)
        | ExprKind::ScalarSubquery(_)
        | ExprKind::Interval(_)
        | ExprKind::Parameter(_) => vec![],
        ExprKind::Unary { expr, .. }
        | ExprKind::InSubquery { expr, .. }
        | ExprKind::IsNull { expr, .. }
        | ExprKind::IsBoolean { expr, .. }
        | ExprKind::Cast { expr, .. }
        | ExprKind::Field { expr, .. }
        | ExprKind::Lambda { body: expr, .. } => vec![expr],
        ExprKind::Binary { left, right, .. } | ExprKind::IsDistinct { left, right, .. } => vec![left, right],
        ExprKind::Between { expr, low, high, .. } => vec![expr, low, high],
        ExprKind::InList { expr, list, .. } => std::iter::once(&**expr).chain(list).collect(),
        ExprKind::Like { expr, patterns, .. } => std::iter::once(&**expr).chain(patterns).collect(),
        ExprKind::Case { operand, branches, otherwise } => {
            operand.as_deref().into_iter().chain(branches.iter().flat_map(|(c, v)| [c, v])).chain(otherwise.as_deref()).collect()
        }
        ExprKind::Call(call) => {
            let over = call.over.iter().flat_map(|o| o.partition_by.iter().chain(o.order_by.iter().map(|s| &s.expr)));
            call.args.iter().map(|a| &a.value).chain(&call.filter).chain(call.within_group.iter().map(|s| &s.expr)).chain(over).collect()
        }
        ExprKind::Subscript { expr, index } => vec![expr, index],
        ExprKind::Row(items) => items.iter().collect(),
    }
}

/// The same for changes; windows are among them, sub-queries not.
pub(crate) fn children_mut(e: &mut ast::Expr) -> Vec<&mut ast::Expr> {
    match &mut e.kind {
        ExprKind::Literal(..)
        | ExprKind::TimestampLiteral(_)
        | ExprKind::Name(_)
        | ExprKind::Star { .. }
        | ExprKind::Exists(_)
        | ExprKind::ScalarSubquery(_)
        | ExprKind::Interval(_)
        | ExprKind::Parameter(_) => vec![],
        ExprKind::Unary { expr, .. }
        | ExprKind::InSubquery { expr, .. }
        | ExprKind::IsNull { expr, .. }
        | ExprKind::IsBoolean { expr, .. }
        | ExprKind::Cast { expr, .. }
        | ExprKind::Field { expr, .. }
        | ExprKind::Lambda { body: expr, .. } => vec![expr],
        ExprKind::Binary { left, right, .. } | ExprKind::IsDistinct { left, right, .. } => vec![left, right],
        ExprKind::Between { expr, low, high, .. } => vec![expr, low, high],
        ExprKind::InList { expr, list, .. } => std::iter::once(&mut **expr).chain(list).collect(),
        ExprKind::Like { expr, patterns, .. } => std::iter::once(&mut **expr).chain(patterns).collect(),
        ExprKind::Case { operand, branches, otherwise } => operand
            .as_deref_mut()
            .into_iter()
            .chain(branches.iter_mut().flat_map(|(c, v)| [c, v]))
            .chain(otherwise.as_deref_mut())
            .collect(),
        ExprKind::Call(call) => {
            let over = call.over.iter_mut().flat_map(|o| o.partition_by.iter_mut().chain(o.order_by.iter_mut().map(|s| &mut s.expr)));
            let args = call.args.iter_mut().map(|a| &mut a.value).chain(&mut call.filter);
            args.chain(call.within_group.iter_mut().map(|s| &mut s.expr)).chain(over).collect()
        }
        ExprKind::Subscript { expr, index } => vec![expr, index],
        ExprKind::Row(items) => items.iter_mut().collect(),
    }
}

/// Whether something stands in the expression that is spelt out before it is analyzed: a star in a call, a parameter, a
/// name given as text.
pub(super) fn has_shorthand(e: &ast::Expr) -> bool {
    match &e.kind {
        ExprKind::Parameter(_) => true,
        ExprKind::Call(call) if call.name.name.eq_ignore_ascii_case("identifier") => true,
        ExprKind::Call(call) if call.args.iter().any(|a| matches!(a.value.kind, ExprKind::Star { .. })) => true,
        _ => children(e).into_iter().any(has_shorthand),
    }
}

/// Puts the windows that have names in the place of the names.
pub(super) fn name_windows(e: &mut ast::Expr, windows: &[(ast::Ident, ast::WindowSpec)]) {
    if let ExprKind::Call(call) = &mut e.kind
        && let Some(spec) = &mut call.over
        && let Some(found) = spec.name.as_ref().and_then(|name| window(&name.name, windows))
    {
        *spec = found;
    }
    for child in children_mut(e) {
        name_windows(child, windows);
    }
}

/// The window of that name; one that is another's name is followed once, as in Spark.
fn window(name: &str, windows: &[(ast::Ident, ast::WindowSpec)]) -> Option<ast::WindowSpec> {
    let find = |name: &str| windows.iter().find(|(n, _)| n.name.eq_ignore_ascii_case(name)).map(|(_, spec)| spec);
    let spec = find(name)?;
    match &spec.name {
        Some(other) => find(&other.name).cloned(),
        None => Some(spec.clone()),
    }
}
