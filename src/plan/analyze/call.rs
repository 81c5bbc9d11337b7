//! Function calls: which function a name means, what its arguments become and what type it gives.

use super::{Aggregates, Analyzer, Env, Result, refuse};
use crate::diagnostic::Span;
use crate::lang::ast::{self, ExprKind};
use crate::plan::coerce::{accepted, cast, common_of, is_ordered, narrowest, tightest, wanted};
use crate::plan::error::Reason;
use crate::plan::expr::{AggregateCall, Expr, FunctionId};
use crate::plan::functions::{self, Accepts, Function, Kind, Param, Returns};
use crate::plan::naming::spell;
use crate::plan::scope::same;
use crate::types::{DataType, Field, Value};

impl Analyzer<'_> {
    /// `name(args)` with everything that may hang on it.
    pub(super) fn call(&mut self, call: &ast::Call, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let name = call.name.name.to_ascii_lowercase();
        if name == "identifier" {
            let parts = self.identifier_parts(&call.args, e.span)?;
            return self.name(&parts, e.span, env);
        }
        if let Some(over) = &call.over {
            return self.window_function(call, over, e, env);
        }
        match name.as_str() {
            "window" => return self.window_call(call, e, env),
            "session_window" => return self.session_window_call(call, e, env),
            "window_time" => return self.window_time_call(call, e, env),
            _ => {}
        }
        if let Some(function) = self.catalog.function(&name).cloned() {
            return self.own_function(&function, call, e, env);
        }
        if let Some(expr) = self.higher_order(&name, call, e, env)? {
            return Ok(expr);
        }
        if let Some(expr) = self.special_call(&name, call, e, env)? {
            return Ok(expr);
        }
        let Some(function) = functions::find(&name) else { return self.no_such_function(call) };
        match function.kind {
            Kind::Scalar => {
                self.plain_call_only(call, e.span)?;
                self.check_count(function, call.args.len(), e.span)?;
                let args = self.arguments(call, env)?;
                self.apply(function, args, e)
            }
            Kind::Aggregate => Ok(Expr::Aggregate(Box::new(self.aggregate_call(function, call, e, env)?))),
            Kind::Generator => {
                let message = format!("{name} makes rows, so it can only stand by itself in the select list or in LATERAL VIEW");
                let condition = match env.aggregates {
                    Aggregates::Forbidden(condition, "VALUES") => condition,
                    _ if env.in_list || self.parameters.is_some() => "UNSUPPORTED_GENERATOR.NESTED_IN_EXPRESSIONS",
                    _ => "UNSUPPORTED_GENERATOR.OUTSIDE_SELECT",
                };
                refuse(Reason::GeneratorNotAllowed { condition, message }, e.span)
            }
            Kind::Window => {
                let message = format!("{name} needs a window: {name}() OVER (PARTITION BY … ORDER BY …)");
                refuse(Reason::WindowNotAllowed { condition: "WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE", message }, e.span)
            }
        }
    }

    fn no_such_function<T>(&self, call: &ast::Call) -> Result<T> {
        let own = self.catalog.functions().map(|f| f.name.clone());
        let known = functions::all().flat_map(|f| std::iter::once(f.name).chain(f.aliases.iter().copied())).map(str::to_string).chain(own);
        refuse(Reason::UnresolvedFunction { name: call.name.name.clone(), known: known.collect() }, call.name.span)
    }

    /// DISTINCT, FILTER and IGNORE NULLS belong to aggregates.
    pub(super) fn plain_call_only(&self, call: &ast::Call, span: Span) -> Result<()> {
        let what = match () {
            () if call.distinct => "DISTINCT",
            () if call.filter.is_some() => "FILTER",
            () if call.ignore_nulls.is_some() => "IGNORE NULLS",
            () if !call.within_group.is_empty() => "WITHIN GROUP",
            () => return Ok(()),
        };
        let message = format!("{what} goes with aggregates only, and `{}` is none", call.name.name);
        refuse(Reason::Rule { condition: "INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", message }, span)
    }

    /// The arguments in the order they stand, each with its text's tree for messages.
    pub(super) fn arguments<'e>(&mut self, call: &'e ast::Call, env: &mut Env) -> Result<Vec<(Expr, &'e ast::Expr)>> {
        let function = functions::find(&call.name.name);
        let mut args: Vec<(usize, Expr, &'e ast::Expr)> = Vec::new();
        for (i, argument) in call.args.iter().enumerate() {
            if let (Some(name), Some(function)) = (&argument.name, function)
                && !NAMED.contains(&function.name)
            {
                let message = format!("`{}` takes its arguments by position only, not `{} =>`", function.name, name.name);
                return refuse(Reason::Rule { condition: "NAMED_PARAMETERS_NOT_SUPPORTED", message }, name.span);
            }
            let position = match (&argument.name, function) {
                (Some(name), Some(function)) => match function.params.iter().position(|p| same(p.name, &name.name)) {
                    Some(position) => position,
                    None => {
                        let message = format!("`{}` has no parameter `{}`", call.name.name, name.name);
                        return refuse(Reason::Rule { condition: "UNRECOGNIZED_PARAMETER_NAME", message }, name.span);
                    }
                },
                _ => i,
            };
            if let ExprKind::Star { qualifier, except } = &argument.value.kind {
                let columns = self.expand_star(qualifier, except, argument.value.span, env)?;
                args.extend(columns.into_iter().enumerate().map(|(n, (_, expr))| (position + n, expr, &argument.value)));
            } else {
                args.push((position, self.expr(&argument.value, env)?, &argument.value));
            }
        }
        args.sort_by_key(|(position, ..)| *position);
        if function.is_some_and(|f| f.name == "mask") && call.args.iter().any(|a| a.name.is_some()) {
            // Parameters that are left out before a named one have their defaults.
            for (position, default) in [(1, "X"), (2, "x"), (3, "n")] {
                if !args.iter().any(|(p, ..)| *p == position) && args.iter().any(|(p, ..)| *p > position) {
                    args.push((position, Expr::string(default), &call.args[0].value));
                }
            }
            args.sort_by_key(|(position, ..)| *position);
        }
        Ok(args.into_iter().map(|(_, expr, e)| (expr, e)).collect())
    }

    /// A call by canonical name of arguments that are resolved already.
    pub(super) fn typed_call(&self, name: &str, args: Vec<(Expr, &ast::Expr)>, e: &ast::Expr) -> Result<Expr> {
        match functions::find(name) {
            Some(function) => self.apply(function, args, e),
            None => refuse(Reason::NotBuilt { what: format!("the function `{name}`") }, e.span),
        }
    }

    /// Checks the arguments against the function's row, casts them, and types the call.
    pub(super) fn apply(&self, function: &'static Function, args: Vec<(Expr, &ast::Expr)>, e: &ast::Expr) -> Result<Expr> {
        let args = self.coerce(function, args, e)?;
        let types: Vec<_> = args.iter().map(Expr::data_type).collect();
        let data_type = self.result_type(function, &args, &types, e)?;
        Ok(Expr::Call { function: FunctionId(function.name), args, data_type })
    }

    fn result_type(&self, function: &'static Function, args: &[Expr], types: &[DataType], e: &ast::Expr) -> Result<DataType> {
        if let Some(special) = self.special_type(function.name, args, e)? {
            return Ok(special);
        }
        match returned(function, types) {
            Some(t) => Ok(t),
            None => refuse(Reason::NotBuilt { what: format!("the function `{}`", function.name) }, e.span),
        }
    }

    /// The arguments cast to what the parameters take.
    pub(super) fn coerce(&self, function: &'static Function, args: Vec<(Expr, &ast::Expr)>, e: &ast::Expr) -> Result<Vec<Expr>> {
        self.check_count(function, args.len(), e.span)?;
        let mut exprs = Vec::with_capacity(args.len());
        let mut accepts = Vec::with_capacity(args.len());
        for (i, (expr, tree)) in args.into_iter().enumerate() {
            let param = param_at(function, i);
            let found = expr.data_type();
            let refused = found == DataType::Void && functions::refuses_null(function.name, i);
            let Some(t) = accepted(param.accepts, &found).filter(|_| !refused) else {
                return self.misfit(function, i, wanted(param.accepts).to_string(), found, e, tree.span);
            };
            let expr = cast(expr, &t);
            let constant = matches!(param.accepts, Accepts::ConstantString | Accepts::ConstantInt | Accepts::ExactConstantInt);
            if constant && !is_constant(&expr) {
                if functions::misfit(function.name, i) == "NON_FOLDABLE_ARGUMENT" {
                    return self.misfit(function, i, format!("a constant, which `{}` is not", spell(tree)), found, e, tree.span);
                }
                return refuse(Reason::NotConstant { call: spell(e), parameter: param.name.to_string() }, tree.span);
            }
            exprs.push(expr);
            accepts.push(param.accepts);
        }
        let exprs = self.related(function, exprs, &accepts, e)?;
        unify(function, exprs, &accepts, e)
    }

    /// Refuses argument `index` (from 0) under the condition that Spark has for it.
    fn misfit<T>(
        &self,
        function: &'static Function,
        index: usize,
        wanted: String,
        found: DataType,
        e: &ast::Expr,
        span: Span,
    ) -> Result<T> {
        let unordered = param_at(function, index).accepts == Accepts::Ordered;
        match if unordered { "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE" } else { functions::misfit(function.name, index) } {
            "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE" => self.unexpected(&spell(e), index + 1, wanted, found, span),
            condition => {
                let message = format!("argument {} of {} has to be {wanted}, not {}", index + 1, spell(e), found.sql());
                refuse(Reason::Rule { condition, message }, span)
            }
        }
    }

    /// Arguments whose type hangs on the other arguments: parts of `concat`, and positions or keys of the first argument.
    fn related(&self, function: &'static Function, mut exprs: Vec<Expr>, accepts: &[Accepts], e: &ast::Expr) -> Result<Vec<Expr>> {
        let first = exprs.first().map(Expr::data_type);
        let parts: Vec<_> = exprs.iter().zip(accepts).filter(|(_, a)| **a == Accepts::Concatenable).map(|(x, _)| x.data_type()).collect();
        let whole = match parts.as_slice() {
            [] => None,
            types if types.iter().any(|t| matches!(t, DataType::Map(..) | DataType::Struct(_))) => {
                let at = types.iter().position(|t| matches!(t, DataType::Map(..) | DataType::Struct(_))).unwrap_or(0);
                let accepts = wanted(Accepts::Concatenable).to_string();
                return self.unexpected(&spell(e), at + 1, accepts, types[at].clone(), e.span);
            }
            types if types.iter().any(|t| matches!(t, DataType::Array(_))) => match common_of(types) {
                Some(t) if !types.contains(&DataType::Void) => Some(t),
                _ => return refuse(Reason::DifferentTypes { what: "the arguments of concat".to_string(), types: parts }, e.span),
            },
            types if types.iter().all(|t| *t == DataType::Binary) => Some(DataType::Binary),
            _ => Some(DataType::String),
        };
        for (i, accepts) in accepts.iter().enumerate() {
            let wanted = match (accepts, &first, &whole) {
                (Accepts::Concatenable, _, Some(t)) => t.clone(),
                (Accepts::IndexOrKey, Some(DataType::Array(_)), _) => DataType::Int,
                (Accepts::IndexOrKey | Accepts::Key, Some(DataType::Map(key, _)), _) => (**key).clone(),
                _ => continue,
            };
            let found = exprs[i].data_type();
            let fits = found == wanted
                || crate::plan::coerce::common(&found, &wanted).as_ref() == Some(&wanted)
                || wanted == DataType::String && found.is_atomic();
            if !fits && matches!((accepts, &first), (Accepts::IndexOrKey, Some(DataType::Array(_)))) {
                return self.unexpected(&spell(e), i + 1, wanted.sql(), found, e.span);
            }
            if !fits {
                return self.misfit(function, i, wanted.sql(), found, e, e.span);
            }
            exprs[i] = cast(exprs[i].clone(), &wanted);
        }
        Ok(exprs)
    }

    fn check_count(&self, function: &'static Function, found: usize, span: Span) -> Result<()> {
        let required = |params: &[Param]| params.iter().filter(|p| !p.optional).count();
        let (least, most) = match function.repeats {
            Some(times) => (required(&function.params[..function.params.len().saturating_sub(1)]) + times, None),
            None => (required(function.params), Some(function.params.len())),
        };
        if found >= least && most.is_none_or(|most| found <= most) {
            return Ok(());
        }
        let plural = |n: usize| if n == 1 { "1 argument".to_string() } else { format!("{n} arguments") };
        let expected = match most {
            Some(most) if most == least => plural(least),
            Some(most) => format!("{least} to {}", plural(most)),
            None => format!("at least {}", plural(least)),
        };
        refuse(Reason::WrongArgumentCount { function: function.name.to_string(), expected, found }, span)
    }

    /// An aggregate with its FILTER, DISTINCT and IGNORE NULLS.
    pub(super) fn aggregate_call(
        &mut self,
        function: &'static Function,
        call: &ast::Call,
        e: &ast::Expr,
        env: &mut Env,
    ) -> Result<AggregateCall> {
        match env.aggregates {
            Aggregates::Allowed => {}
            Aggregates::Nested => return refuse(Reason::NestedAggregate, e.span),
            Aggregates::Forbidden(condition, clause) => {
                let reason = Reason::AggregateNotAllowed { condition, clause: clause.to_string(), function: spell(e) };
                return refuse(reason, e.span);
            }
        }
        let outer = std::mem::replace(&mut env.aggregates, Aggregates::Nested);
        let inner = self.aggregate_parts(function, call, e, env);
        env.aggregates = outer;
        inner
    }

    pub(super) fn aggregate_parts(
        &mut self,
        function: &'static Function,
        call: &ast::Call,
        e: &ast::Expr,
        env: &mut Env,
    ) -> Result<AggregateCall> {
        let star = |a: &ast::Argument| matches!(a.value.kind, ExprKind::Star { .. });
        if function.name == "count" && call.args.is_empty() {
            let message = "count wants something to count: count(*) counts rows".to_string();
            return refuse(Reason::Rule { condition: "WRONG_NUM_ARGS.WITH_SUGGESTION", message }, e.span);
        }
        let mut args = if function.name == "count" && !call.distinct && call.args.iter().any(star) {
            vec![(Expr::literal(Value::Int(1), DataType::Int), e)]
        } else {
            self.arguments(call, env)?
        };
        let extra = self.within_group(function.name, call, &mut args, e, env)?;
        let mut ignore_nulls = call.ignore_nulls.unwrap_or(false);
        if matches!(function.name, "first" | "last" | "any_value" | "first_value" | "last_value") && args.len() == 2 {
            let (flag, tree) = args.pop().expect("two arguments");
            ignore_nulls |= self.constant(&flag, tree.span)? == Value::Boolean(true);
        }
        let mut args = self.configured(function.name, self.coerce(function, args, e)?, e)?;
        let types: Vec<_> = args.iter().map(Expr::data_type).collect();
        let data_type = self.result_type(function, &args, &types, e)?;
        if matches!(args.first().map(Expr::data_type), Some(DataType::Decimal(..))) && of_doubles(function.name) {
            args[0] = cast(args[0].clone(), &DataType::Double);
        }
        args.extend(extra);
        if args.iter().any(|a| a.any(&|e| matches!(e, Expr::Call { function, .. } if is_random(function.0)))) {
            let message = format!("{} would be different each time: what is inside it is random", spell(e));
            return refuse(Reason::Rule { condition: "AGGREGATE_FUNCTION_WITH_NONDETERMINISTIC_EXPRESSION", message }, e.span);
        }
        let filter = call.filter.as_ref().map(|f| self.aggregate_filter(f, env)).transpose()?;
        Ok(AggregateCall { function: FunctionId(function.name), args, filter, distinct: call.distinct, ignore_nulls, data_type })
    }

    /// FILTER (WHERE …) of an aggregate: no aggregate and no window function may stand in it.
    fn aggregate_filter(&mut self, filter: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let around = std::mem::replace(&mut env.aggregates, Aggregates::Forbidden("INVALID_AGGREGATE_FILTER.CONTAINS_AGGREGATE", "FILTER"));
        let condition = self.condition(filter, "FILTER", env);
        env.aggregates = around;
        condition
    }

    /// A generator by itself: the call, and the columns it makes.
    pub(super) fn generator(&mut self, call: &ast::Call, e: &ast::Expr, env: &mut Env) -> Result<Option<(Expr, Vec<Field>)>> {
        let Some(function) = functions::find(&call.name.name).filter(|f| f.kind == Kind::Generator) else { return Ok(None) };
        let args = self.arguments(call, env)?;
        let args = self.coerce(function, args, e)?;
        let fields = self.generated(function.name, &args, e)?;
        let data_type = DataType::Struct(fields.clone());
        Ok(Some((Expr::Call { function: FunctionId(function.name), args, data_type }, fields)))
    }

    fn generated(&self, name: &str, args: &[Expr], e: &ast::Expr) -> Result<Vec<Field>> {
        let types: Vec<_> = args.iter().map(Expr::data_type).collect();
        let position = name.starts_with("posexplode").then(|| Field::new("pos", DataType::Int));
        let fields = match (name, types.first()) {
            ("explode" | "explode_outer" | "posexplode" | "posexplode_outer", Some(DataType::Array(element))) => {
                position.into_iter().chain([Field::new("col", (**element).clone())]).collect()
            }
            ("explode" | "explode_outer" | "posexplode" | "posexplode_outer", Some(DataType::Map(key, value))) => {
                position.into_iter().chain([Field::new("key", (**key).clone()), Field::new("value", (**value).clone())]).collect()
            }
            ("inline" | "inline_outer", Some(DataType::Array(element))) => match &**element {
                DataType::Struct(fields) => fields.clone(),
                _ => return self.unexpected(&spell(e), 1, "an ARRAY of STRUCT".to_string(), types[0].clone(), e.span),
            },
            ("json_tuple", _) => (0..types.len().saturating_sub(1)).map(|i| Field::new(format!("c{i}"), DataType::String)).collect(),
            ("stack", _) => return self.stacked(args, e),
            (_, Some(found)) => return self.unexpected(&spell(e), 1, "an ARRAY or a MAP".to_string(), found.clone(), e.span),
            (_, None) => vec![],
        };
        Ok(fields)
    }

    fn stacked(&self, args: &[Expr], e: &ast::Expr) -> Result<Vec<Field>> {
        let rows = match self.constant(&args[0], e.span)? {
            Value::Int(n) if n > 0 => n as usize,
            _ => {
                let message = "the first argument of stack is how many rows to make, at least 1".to_string();
                return refuse(Reason::BadParameter { condition: "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", message }, e.span);
            }
        };
        let values = &args[1..];
        let width = values.len().div_ceil(rows);
        (0..width)
            .map(|i| {
                let types: Vec<_> = values.iter().skip(i).step_by(width).map(Expr::data_type).collect();
                let same = types.iter().try_fold(DataType::Void, |so_far, t| match (&so_far, t) {
                    (DataType::Void, t) | (t, DataType::Void) => Some(t.clone()),
                    (a, b) => (a == b).then(|| a.clone()),
                });
                match same {
                    Some(t) => Ok(Field::new(format!("col{i}"), t)),
                    None => {
                        let types: Vec<_> = types.iter().map(DataType::sql).collect();
                        let message = format!("column {} of stack mixes types: {}", i + 1, types.join(" and "));
                        refuse(Reason::Rule { condition: "DATATYPE_MISMATCH.STACK_COLUMN_DIFF_TYPES", message }, e.span)
                    }
                }
            })
            .collect()
    }
}

/// Functions whose arguments may be named, as in Spark.
const NAMED: &[&str] = &["mask", "explode", "explode_outer", "posexplode", "posexplode_outer", "inline", "inline_outer"];

/// The parameter that argument `i` belongs to; the last one repeats where the function says so.
fn param_at(function: &'static Function, i: usize) -> &'static Param {
    static EXTRA: Param = Param { name: "argument", accepts: Accepts::Any, optional: false };
    function.params.get(i).or(function.params.last()).unwrap_or(&EXTRA)
}

/// Brings `Common` arguments to one type, and array elements and `Element` arguments to one type.
fn unify(function: &'static Function, exprs: Vec<Expr>, accepts: &[Accepts], e: &ast::Expr) -> Result<Vec<Expr>> {
    let of = |wanted: &[Accepts]| -> Vec<DataType> {
        let chosen = exprs.iter().zip(accepts).filter(|(_, a)| wanted.contains(a)).map(|(x, _)| x.data_type());
        chosen
            .map(|t| match t {
                DataType::Array(element) if wanted.contains(&Accepts::ArrayOfCommon) => *element,
                other => other,
            })
            .collect()
    };
    let mut target = None;
    if accepts.contains(&Accepts::Common) {
        let types = of(&[Accepts::Common]);
        let exact = matches!(function.name, "greatest" | "least" | "map_concat");
        let shared = if exact { types.iter().try_fold(DataType::Void, |so_far, t| tightest(&so_far, t)) } else { common_of(&types) };
        let fits = |t: &DataType| function.name != "map_concat" || matches!(t, DataType::Map(..) | DataType::Void);
        match (shared.filter(fits), functions::misfit(function.name, 0)) {
            (Some(t), _) if matches!(function.name, "greatest" | "least") && !is_ordered(&t) => {
                let message = format!("values of type {} have no order", t.sql());
                return refuse(Reason::Rule { condition: "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", message }, e.span);
            }
            (Some(t), _) => target = Some(t),
            (None, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE") => {
                return refuse(Reason::DifferentTypes { what: format!("the arguments of {}", function.name), types }, e.span);
            }
            (None, condition) => {
                let found: Vec<_> = types.iter().map(DataType::sql).collect();
                let message = format!("the arguments of {} do not go together: {}", function.name, found.join(", "));
                return refuse(Reason::Rule { condition, message }, e.span);
            }
        }
    }
    let mut element = None;
    if accepts.iter().any(|a| matches!(a, Accepts::ArrayOfCommon)) {
        let arrays = of(&[Accepts::ArrayOfCommon]);
        let singles: Vec<_> = exprs.iter().zip(accepts).filter(|(_, a)| **a == Accepts::Element).map(|(x, _)| x.data_type()).collect();
        // A string is not read as a number here: the elements must be alike as they are.
        let alike = arrays.iter().chain(&singles).try_fold(DataType::Void, |so_far, t| narrowest(&so_far, t));
        match alike {
            Some(t) => element = Some(t),
            None => {
                let condition = if singles.is_empty() {
                    "DATATYPE_MISMATCH.BINARY_ARRAY_DIFF_TYPES"
                } else {
                    "DATATYPE_MISMATCH.ARRAY_FUNCTION_DIFF_TYPES"
                };
                let types: Vec<_> = arrays.iter().chain(&singles).map(DataType::sql).collect();
                let message = format!("the elements of {} are of different types: {}", function.name, types.join(" and "));
                return refuse(Reason::Rule { condition, message }, e.span);
            }
        }
    }
    let fit = |(expr, accepts): (Expr, &Accepts)| match (accepts, &target, &element) {
        (Accepts::Common, Some(t), _) | (Accepts::Element, _, Some(t)) => cast(expr, t),
        (Accepts::ArrayOfCommon, _, Some(t)) => cast(expr, &DataType::array(t.clone())),
        _ => expr,
    };
    Ok(exprs.into_iter().zip(accepts).map(fit).collect())
}

/// The type that the function's row promises for arguments of these types.
fn returned(function: &'static Function, types: &[DataType]) -> Option<DataType> {
    match function.returns {
        Returns::Type(t) => Some(t.data_type()),
        Returns::Same(i) => types.get(i).cloned(),
        Returns::Common => {
            let common = types.iter().enumerate().filter(|(i, _)| param_at(function, *i).accepts == Accepts::Common).map(|(_, t)| t);
            common_of(common)
        }
        Returns::Rule(rule) => Some(rule(types)),
        Returns::Special => None,
    }
}

/// Aggregates that work in DOUBLE whatever numbers they are given.
fn of_doubles(name: &str) -> bool {
    matches!(name, "percentile" | "percentile_cont" | "percentile_disc" | "median" | "approx_percentile" | "histogram_numeric")
}

/// Whether the value is known before any row: no column, aggregate, sub-query or random function.
pub(crate) fn is_constant(expr: &Expr) -> bool {
    !expr.any(&|e| match e {
        Expr::Column { .. } | Expr::Aggregate(_) | Expr::Window { .. } | Expr::Subquery { .. } => true,
        Expr::Call { function, .. } => is_volatile(function.0),
        _ => false,
    })
}

/// Functions whose value differs from row to row.
pub(crate) fn is_random(name: &str) -> bool {
    matches!(name, "rand" | "randn" | "random" | "uuid" | "shuffle" | "monotonically_increasing_id" | "spark_partition_id")
}

/// Functions whose value differs from row to row or batch to batch.
pub(crate) fn is_volatile(name: &str) -> bool {
    matches!(
        name,
        "rand"
            | "randn"
            | "random"
            | "uuid"
            | "shuffle"
            | "monotonically_increasing_id"
            | "spark_partition_id"
            | "randstr"
            | "uniform"
            | "current_timestamp"
            | "current_date"
            | "now"
            | "localtimestamp"
            | "unix_timestamp"
            | "curdate"
            | "current_time"
    )
}
