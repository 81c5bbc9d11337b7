//! Functions whose meaning or type hangs on more than their arguments' types: rewrites into CASE and
//! COALESCE, constructors, casts by name, schemas given as text, grouping.

use super::{Analyzer, Env, Result, refuse};
use crate::diagnostic::Span;
use crate::lang::ast;
use crate::plan::coerce::{cast, common, common_of, is_ordered};
use crate::plan::error::Reason;
use crate::plan::expr::Expr;
use crate::plan::functions::{self, Kind};
use crate::plan::naming::{member_name, spell};
use crate::types::{DataType, Field, Value};

/// The type that `int(x)`, `string(x)` … cast to.
fn cast_function(name: &str) -> Option<DataType> {
    Some(match name {
        "boolean" => DataType::Boolean,
        "tinyint" => DataType::TinyInt,
        "smallint" => DataType::SmallInt,
        "int" => DataType::Int,
        "bigint" => DataType::BigInt,
        "float" => DataType::Float,
        "double" => DataType::Double,
        "decimal" => DataType::Decimal(10, 0),
        "string" => DataType::String,
        "binary" => DataType::Binary,
        "date" => DataType::Date,
        "timestamp" => DataType::Timestamp,
        _ => return None,
    })
}

/// Functions that Spark lets stand without parentheses.
const BARE: &[&str] = &[
    "current_date",
    "current_timestamp",
    "current_user",
    "user",
    "session_user",
    "localtimestamp",
    "current_catalog",
    "current_database",
    "current_schema",
    "current_time",
];

impl Analyzer<'_> {
    /// `current_date` and its like without parentheses.
    pub(super) fn bare_function(&mut self, name: &str, env: &Env) -> Option<Expr> {
        let name = name.to_ascii_lowercase();
        if name == "grouping__id" {
            return env.grouping.as_ref().map(|g| g.id.clone());
        }
        let function = functions::find(&name).filter(|_| BARE.contains(&name.as_str()))?;
        let e = ast::Expr { kind: ast::ExprKind::Row(vec![]), span: Span::default() };
        self.apply(function, vec![], &e).ok()
    }

    /// Calls that are rewritten or built by hand; `None` for all others.
    pub(super) fn special_call(&mut self, name: &str, call: &ast::Call, e: &ast::Expr, env: &mut Env) -> Result<Option<Expr>> {
        let count = call.args.len();
        let want = |n: usize, expected: &str| {
            if count == n {
                return Ok(());
            }
            refuse(Reason::WrongArgumentCount { function: name.to_string(), expected: expected.to_string(), found: count }, e.span)
        };
        if let Some(t) = cast_function(name) {
            want(1, "1 argument")?;
            let inner = self.expr(&call.args[0].value, env)?;
            return self.explicit_cast(inner, &t, false, e.span).map(Some);
        }
        Ok(Some(match name {
            "coalesce" | "ifnull" | "nvl" => {
                if name != "coalesce" {
                    want(2, "2 arguments")?;
                }
                let args = self.plain_arguments(call, env)?;
                self.coalesce(args, e)?
            }
            "if" => {
                want(3, "3 arguments")?;
                let condition = self.expr(&call.args[0].value, env)?;
                if !matches!(condition.data_type(), DataType::Boolean | DataType::Void) {
                    return self.unexpected(&spell(e), 1, "BOOLEAN".to_string(), condition.data_type(), call.args[0].value.span);
                }
                let condition = cast(condition, &DataType::Boolean);
                let (then, otherwise) = (self.expr(&call.args[1].value, env)?, self.expr(&call.args[2].value, env)?);
                self.case_of(vec![(condition, then)], Some(otherwise), e.span)?
            }
            "nvl2" => {
                want(3, "3 arguments")?;
                let args = self.plain_arguments(call, env)?;
                let [value, then, otherwise] = <[Expr; 3]>::try_from(args).expect("three were counted");
                let present = Expr::call("isnotnull", vec![value], DataType::Boolean);
                self.case_of(vec![(present, then)], Some(otherwise), e.span)?
            }
            "nullif" => {
                want(2, "2 arguments")?;
                let args = self.plain_arguments(call, env)?;
                let [a, b] = <[Expr; 2]>::try_from(args).expect("two were counted");
                let equal = self.comparison("=", a.clone(), b, e)?;
                let null = Expr::literal(Value::Null, a.data_type());
                self.case_of(vec![(equal, null)], Some(a), e.span)?
            }
            "make_timestamp" | "try_make_timestamp" if count == 1 => {
                let date = self.expr(&call.args[0].value, env)?;
                match date.data_type() {
                    DataType::Date | DataType::Void => cast(date, &DataType::Timestamp),
                    found => return self.unexpected(&spell(e), 1, "a DATE".to_string(), found, e.span),
                }
            }
            "make_timestamp"
            | "make_timestamp_ltz"
            | "make_timestamp_ntz"
            | "try_make_timestamp"
            | "try_make_timestamp_ltz"
            | "try_make_timestamp_ntz"
                if count == 2 || count == 3 =>
            {
                self.timestamp_of_date_and_time(name, call, e, env)?
            }
            "time" => {
                let message = "there is no type TIME here: a time of day goes into make_timestamp(date, TIME'10:30:00') only".to_string();
                return refuse(Reason::Rule { condition: "UNSUPPORTED_TIME_TYPE", message }, e.span);
            }
            "decode" if count > 2 => {
                // The result beside the first search value that equals the first argument; NULL equals NULL here.
                let mut args = self.plain_arguments(call, env)?.into_iter();
                let value = args.next().expect("three at least");
                let (mut branches, mut otherwise) = (Vec::new(), None);
                while let Some(search) = args.next() {
                    match args.next() {
                        Some(result) => branches.push((self.comparison("<=>", value.clone(), search, e)?, result)),
                        None => otherwise = Some(search),
                    }
                }
                self.case_of(branches, otherwise, e.span)?
            }
            "nullifzero" | "zeroifnull" => {
                want(1, "1 argument")?;
                let value = self.expr(&call.args[0].value, env)?;
                let zero = Expr::literal(Value::Int(0), DataType::Int);
                if name == "zeroifnull" {
                    self.coalesce(vec![value, zero], e)?
                } else {
                    let equal = self.comparison("=", value.clone(), zero, e)?;
                    let null = Expr::literal(Value::Null, value.data_type());
                    self.case_of(vec![(equal, null)], Some(value), e.span)?
                }
            }
            "struct" => {
                let mut items = Vec::new();
                for argument in &call.args {
                    for (expr, name) in self.starred(&argument.value, env)? {
                        items.push((name, expr));
                    }
                }
                named_struct(items)
            }
            "named_struct" => self.named_struct_call(call, e, env)?,
            "array" => {
                let args = self.plain_arguments(call, env)?;
                let types: Vec<_> = args.iter().map(Expr::data_type).collect();
                let Some(t) = common_of(&types) else {
                    return refuse(Reason::DifferentTypes { what: "the elements of an array".to_string(), types }, e.span);
                };
                Expr::call("array", args.into_iter().map(|a| cast(a, &t)).collect(), DataType::array(t))
            }
            "map" => self.map_call(call, e, env)?,
            "typeof" => {
                want(1, "1 argument")?;
                Expr::string(self.expr(&call.args[0].value, env)?.data_type().to_string())
            }
            "from_json" | "from_csv" => self.parsed_text(name, call, e, env)?,
            "grouping" | "grouping_id" => self.grouping_call(name, call, e, env)?,
            "dateadd" | "date_add" | "timestampadd" if count == 3 => {
                let args = self.plain_arguments(call, env)?;
                self.timestamp_add(args, e)?
            }
            "datediff" | "date_diff" | "timestampdiff" if count == 3 => {
                let args = self.plain_arguments(call, env)?;
                let [unit, from, to] = <[Expr; 3]>::try_from(args).expect("three were counted");
                let to_timestamp = |x: Expr| if x.data_type() == DataType::TimestampNtz { x } else { cast(x, &DataType::Timestamp) };
                Expr::call("timestampdiff", vec![unit, to_timestamp(from), to_timestamp(to)], DataType::BigInt)
            }
            _ => return self.operator_call(name, call, e, env),
        }))
    }

    /// Operators called by name: `mod(a, b)`, `try_add(a, b)`, `equal_null(a, b)`.
    fn operator_call(&mut self, name: &str, call: &ast::Call, e: &ast::Expr, env: &mut Env) -> Result<Option<Expr>> {
        let Some(function) = functions::find(name).filter(|_| call.args.len() == 2) else { return Ok(None) };
        if let op @ ("<<" | ">>" | ">>>") = function.name {
            let args = self.plain_arguments(call, env)?;
            let [l, r] = <[Expr; 2]>::try_from(args).expect("two were counted");
            return self.shift(op, (l, e), (r, e), e).map(Some);
        }
        let operator = match function.name {
            "try_add" => "+",
            "try_subtract" => "-",
            "try_multiply" => "*",
            "try_divide" => "/",
            "try_mod" | "pmod" => "%",
            "equal_null" => "<=>",
            op @ ("+" | "-" | "*" | "/" | "div" | "%" | "=" | "<=>" | "<" | "<=" | ">" | ">=") => op,
            _ => return Ok(None),
        };
        let args = self.plain_arguments(call, env)?;
        let [l, r] = <[Expr; 2]>::try_from(args).expect("two were counted");
        if matches!(operator, "=" | "<=>" | "<" | "<=" | ">" | ">=") {
            return self.comparison(operator, l, r, e).map(Some);
        }
        let computed = self.arithmetic(operator, (l, &call.args[0].value), (r, &call.args[1].value), e)?;
        Ok(Some(match computed {
            Expr::Call { args, data_type, .. } => Expr::call(function.name, args, data_type),
            other => other,
        }))
    }

    /// `make_timestamp(date, TIME'10:30:00' [, zone])`: the parts put together.
    fn timestamp_of_date_and_time(&mut self, name: &str, call: &ast::Call, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let (date_at, time_at) = (&call.args[0].value, &call.args[1].value);
        let date = self.expr(date_at, env)?;
        if !matches!(date.data_type(), DataType::Date | DataType::Void) {
            return self.unexpected(&spell(e), 1, "a DATE".to_string(), date.data_type(), date_at.span);
        }
        let text = match &time_at.kind {
            ast::ExprKind::Call(time) if time.name.name.eq_ignore_ascii_case("time") => match time.args.first().map(|a| &a.value.kind) {
                Some(ast::ExprKind::Literal(Value::String(text), _)) => Some(text),
                _ => None,
            },
            _ => None,
        };
        let Some(micros) = text.and_then(|text| crate::lang::literal::parse_time_text(text)) else {
            let found = self.expr(time_at, env)?.data_type();
            return self.unexpected(&spell(e), 2, "a TIME literal such as TIME'10:30:00'".to_string(), found, time_at.span);
        };
        let date = cast(date, &DataType::Date);
        let mut args = Vec::new();
        for part in ["year", "month", "day"] {
            args.push((self.typed_call(part, vec![(date.clone(), date_at)], e)?, date_at));
        }
        let minutes = micros / 60_000_000;
        args.push((Expr::literal(Value::Int(minutes / 60), DataType::Int), time_at));
        args.push((Expr::literal(Value::Int(minutes % 60), DataType::Int), time_at));
        args.push((Expr::literal(Value::Decimal((micros % 60_000_000).into()), DataType::Decimal(8, 6)), time_at));
        if let Some(zone) = call.args.get(2) {
            args.push((self.expr(&zone.value, env)?, &zone.value));
        }
        self.typed_call(name, args, e)
    }

    pub(super) fn plain_arguments(&mut self, call: &ast::Call, env: &mut Env) -> Result<Vec<Expr>> {
        call.args.iter().map(|a| self.expr(&a.value, env)).collect()
    }

    fn timestamp_add(&mut self, args: Vec<Expr>, e: &ast::Expr) -> Result<Expr> {
        let [unit, amount, time] = <[Expr; 3]>::try_from(args).expect("three were counted");
        let (amount, t) = match (amount.data_type(), time.data_type()) {
            (a, _) if !a.is_integral() && a != DataType::Void => {
                return self.unexpected(&spell(e), 2, "a whole number".to_string(), a, e.span);
            }
            (_, DataType::TimestampNtz) => (amount, DataType::TimestampNtz),
            _ => (amount, DataType::Timestamp),
        };
        Ok(Expr::call("timestampadd", vec![unit, cast(amount, &DataType::BigInt), cast(time, &t)], t))
    }

    fn coalesce(&self, args: Vec<Expr>, e: &ast::Expr) -> Result<Expr> {
        let types: Vec<_> = args.iter().map(Expr::data_type).collect();
        if args.is_empty() {
            let expected = "at least 1 argument".to_string();
            return refuse(Reason::WrongArgumentCount { function: "coalesce".to_string(), expected, found: 0 }, e.span);
        }
        let Some(t) = common_of(&types) else {
            return refuse(Reason::DifferentTypes { what: "the arguments of coalesce".to_string(), types }, e.span);
        };
        Ok(Expr::Coalesce { args: args.into_iter().map(|a| cast(a, &t)).collect(), data_type: t })
    }

    /// An argument of `struct`: one expression with the name it gives its member, or all that a star stands for.
    fn starred(&mut self, e: &ast::Expr, env: &mut Env) -> Result<Vec<(Expr, Option<String>)>> {
        if let ast::ExprKind::Star { qualifier, except } = &e.kind {
            let expanded = self.expand_star(qualifier, except, e.span, env)?;
            return Ok(expanded.into_iter().map(|(name, expr)| (expr, Some(name))).collect());
        }
        let named = matches!(e.kind, ast::ExprKind::Name(_) | ast::ExprKind::Field { .. }).then(|| member_name(e));
        Ok(vec![(self.expr(e, env)?, named)])
    }

    fn named_struct_call(&mut self, call: &ast::Call, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let args = self.plain_arguments(call, env)?;
        if args.len() % 2 != 0 || args.is_empty() {
            let expected = "names and values in pairs".to_string();
            return refuse(Reason::WrongArgumentCount { function: "named_struct".to_string(), expected, found: args.len() }, e.span);
        }
        let mut items = Vec::new();
        for (i, pair) in args.chunks(2).enumerate() {
            let span = call.args[2 * i].value.span;
            match self.constant(&pair[0], span) {
                Ok(Value::String(name)) => items.push((Some(name), pair[1].clone())),
                _ => {
                    let message = format!("a member's name has to be a constant STRING, not `{}`", spell(&call.args[2 * i].value));
                    let condition = "DATATYPE_MISMATCH.CREATE_NAMED_STRUCT_WITHOUT_FOLDABLE_STRING";
                    return refuse(Reason::Rule { condition, message }, span);
                }
            }
        }
        Ok(named_struct(items))
    }

    fn map_call(&mut self, call: &ast::Call, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let args = self.plain_arguments(call, env)?;
        if args.len() % 2 != 0 {
            let expected = "keys and values in pairs".to_string();
            return refuse(Reason::WrongArgumentCount { function: "map".to_string(), expected, found: args.len() }, e.span);
        }
        let side = |offset: usize| -> Vec<DataType> { args.iter().skip(offset).step_by(2).map(Expr::data_type).collect() };
        let unified = |types: Vec<DataType>, what: &str, condition| match common_of(&types) {
            Some(t) => Ok(t),
            None => {
                let found: Vec<_> = types.iter().map(DataType::sql).collect();
                let message = format!("the {what} of a map should be of one type, not {}", found.join(" and "));
                refuse(Reason::Rule { condition, message }, e.span)
            }
        };
        let key = unified(side(0), "keys", "DATATYPE_MISMATCH.CREATE_MAP_KEY_DIFF_TYPES")?;
        let value = unified(side(1), "values", "DATATYPE_MISMATCH.CREATE_MAP_VALUE_DIFF_TYPES")?;
        if super::query::has_map(&key) {
            let message = format!("the keys of a map cannot be or hold maps, and these are {}", key.sql());
            return refuse(Reason::Rule { condition: "DATATYPE_MISMATCH.INVALID_MAP_KEY_TYPE", message }, e.span);
        }
        let args = args.into_iter().enumerate().map(|(i, a)| cast(a, if i % 2 == 0 { &key } else { &value })).collect();
        Ok(Expr::call("map", args, DataType::map(key.clone(), value.clone())))
    }

    /// `from_json(text, schema [, options])`: the call's type is the schema's.
    fn parsed_text(&mut self, name: &str, call: &ast::Call, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        if !(2..=3).contains(&call.args.len()) {
            let expected = "a text, a schema and perhaps options".to_string();
            return refuse(Reason::WrongArgumentCount { function: name.to_string(), expected, found: call.args.len() }, e.span);
        }
        let text = self.expr(&call.args[0].value, env)?;
        if !matches!(text.data_type(), DataType::String | DataType::Void) {
            return self.unexpected(&spell(e), 1, "a STRING".to_string(), text.data_type(), call.args[0].value.span);
        }
        let schema_at = call.args[1].value.span;
        let schema = self.expr(&call.args[1].value, env)?;
        if !super::call::is_constant(&schema) {
            let message = format!("the schema of {name} has to be a constant such as 'id INT, name STRING'");
            return refuse(Reason::BadParameter { condition: "INVALID_SCHEMA.NON_STRING_LITERAL", message }, schema_at);
        }
        let Value::String(schema) = self.constant(&schema, schema_at)? else {
            let message = format!("the schema of {name} has to be a text such as 'id INT, name STRING'");
            return refuse(Reason::BadParameter { condition: "INVALID_SCHEMA.NON_STRING_LITERAL", message }, schema_at);
        };
        let data_type = self.schema_type(&schema, schema_at)?;
        let mut args = vec![cast(text, &DataType::String), Expr::string(schema)];
        if let Some(options) = call.args.get(2) {
            let options_expr = self.expr(&options.value, env)?;
            if !matches!(options_expr.data_type(), DataType::Map(..)) || !super::call::is_constant(&options_expr) {
                let message = format!("the options of {name} have to be a constant map('key', 'value')");
                return refuse(Reason::BadParameter { condition: "INVALID_OPTIONS.NON_MAP_FUNCTION", message }, options.value.span);
            }
            args.push(cast(options_expr, &DataType::map(DataType::String, DataType::String)));
        }
        let name = if name == "from_json" { "from_json" } else { "from_csv" };
        Ok(Expr::call(name, args, data_type))
    }

    /// A schema's text: `a INT, b STRING`, or a single type such as `ARRAY<INT>`.
    fn schema_type(&self, text: &str, span: Span) -> Result<DataType> {
        use crate::lang::types::{parse_data_type, parse_schema_ddl};
        match parse_schema_ddl(text) {
            Ok(fields) => Ok(DataType::Struct(fields)),
            Err(error) => parse_data_type(text).or_else(|_| {
                let diagnostic = crate::diagnostic::Diagnostic::from(*error);
                let message = format!("in the schema '{text}': {}", diagnostic.message);
                refuse(Reason::Constant { condition: diagnostic.condition, message }, span)
            }),
        }
    }

    /// `grouping(a)` and `grouping_id()` of ROLLUP and its like.
    fn grouping_call(&mut self, name: &str, call: &ast::Call, e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let Some(grouping) = env.grouping.clone() else {
            let message = format!("{name} goes with GROUPING SETS, ROLLUP or CUBE");
            return refuse(Reason::Rule { condition: "UNSUPPORTED_GROUPING_EXPRESSION", message }, e.span);
        };
        let args = self.plain_arguments(call, env)?;
        if name == "grouping_id" {
            if !args.is_empty() && args != grouping.keys {
                let message = "the columns of grouping_id have to be the grouping columns, in their order".to_string();
                return refuse(Reason::Rule { condition: "GROUPING_ID_COLUMN_MISMATCH", message }, e.span);
            }
            return Ok(grouping.id);
        }
        let Some(position) = args.first().and_then(|a| grouping.keys.iter().position(|k| k == a)) else {
            let message = "grouping wants one of the grouping columns".to_string();
            return refuse(Reason::Rule { condition: "GROUPING_COLUMN_MISMATCH", message }, e.span);
        };
        let shift = Expr::literal(Value::Int((grouping.keys.len() - 1 - position) as i64), DataType::Int);
        let bit = Expr::call(">>", vec![grouping.id, shift], DataType::BigInt);
        let one = Expr::literal(Value::Int(1), DataType::BigInt);
        Ok(cast(Expr::call("&", vec![bit, one], DataType::BigInt), &DataType::TinyInt))
    }

    /// The result type of table functions whose type hangs on constants or on members of their arguments.
    pub(super) fn special_type(&self, name: &str, args: &[Expr], e: &ast::Expr) -> Result<Option<DataType>> {
        let first = args.first().map(Expr::data_type);
        Ok(match (name, first) {
            ("element_at" | "try_element_at", Some(DataType::Array(element))) => Some(*element),
            ("element_at" | "try_element_at", Some(DataType::Map(_, value))) => Some(*value),
            ("get", Some(DataType::Array(element))) => Some(*element),
            ("concat", Some(_)) => concat_type(args),
            ("round" | "bround", Some(DataType::Decimal(p, s))) => Some(self.rounded_type(args, p, s, e)?),
            ("round" | "bround", Some(t)) => Some(t),
            ("ceil" | "floor", Some(DataType::Decimal(p, s))) => Some(self.rounded_type(args, p, s, e)?),
            ("ceil" | "floor", Some(t)) if args.len() == 2 => match t.as_decimal() {
                Some((p, s)) => Some(self.rounded_type(args, p, s, e)?),
                None => Some(DataType::BigInt),
            },
            ("ceil" | "floor", Some(_)) => Some(DataType::BigInt),
            ("to_number" | "try_to_number", _) => match self.constant(&args[1], e.span)? {
                Value::Null => Some(DataType::Decimal(10, 0)),
                format => Some(self.number_format(format.as_str().unwrap_or_default(), e)?),
            },
            ("to_char", Some(t)) if t.is_numeric() || t == DataType::String => {
                if super::call::is_constant(&args[1])
                    && let Value::String(format) = self.constant(&args[1], e.span)?
                {
                    self.number_format(&format, e)?;
                }
                None
            }
            ("to_char", Some(t)) if !t.is_datetime() && t != DataType::Binary && t != DataType::Void => {
                return self.unexpected(&spell(e), 1, "a number, a time or BINARY".to_string(), t, e.span);
            }
            ("hash" | "xxhash64", _) if args.iter().any(|a| holds_map(&a.data_type())) => {
                let message = format!("{name} does not take a MAP: equal maps may have their entries in different order");
                return refuse(Reason::Rule { condition: "DATATYPE_MISMATCH.HASH_MAP_TYPE", message }, e.span);
            }
            ("flatten" | "map_from_entries", Some(found @ DataType::Array(_))) => {
                let DataType::Array(element) = &found else { return Ok(None) };
                let fits = match &**element {
                    DataType::Struct(members) => name != "flatten" && members.len() == 2,
                    DataType::Array(_) => name == "flatten",
                    _ => false,
                };
                if !fits {
                    let wanted = if name == "flatten" { "an ARRAY of ARRAY" } else { "an ARRAY of pairs" };
                    return self.unexpected(&spell(e), 1, wanted.to_string(), found, e.span);
                }
                None
            }
            ("width_bucket", Some(first)) if args.iter().take(3).any(|a| a.data_type().is_interval()) => {
                let types: Vec<_> = args.iter().take(3).map(Expr::data_type).collect();
                if types.iter().any(|t| common(t, &first).is_none()) {
                    return refuse(Reason::DifferentTypes { what: "value and bounds of width_bucket".to_string(), types }, e.span);
                }
                None
            }
            ("sort_array" | "array_sort" | "array_max" | "array_min", Some(DataType::Array(element))) if !is_ordered(&element) => {
                let message = format!("{name} wants elements that have an order, which {} has not", element.sql());
                return refuse(Reason::Rule { condition: "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", message }, e.span);
            }
            ("collect_set" | "collect_union", Some(t)) if holds_map(&t) => {
                let message = format!("{name} does not take a MAP: equal maps may have their entries in different order");
                return refuse(Reason::Rule { condition: "DATATYPE_MISMATCH.UNSUPPORTED_INPUT_TYPE", message }, e.span);
            }
            ("randstr", _) => match self.constant(&args[0], e.span)? {
                Value::Int(n) if n < 0 => {
                    let message = format!("randstr makes texts of 0 or more characters, not {n}");
                    return refuse(Reason::Rule { condition: "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", message }, e.span);
                }
                _ => None,
            },
            ("uniform", _) => match args.iter().position(|a| !super::call::is_constant(a)) {
                Some(i) => {
                    let parameter = ["min", "max", "seed"][i.min(2)].to_string();
                    return refuse(Reason::NotConstant { call: spell(e), parameter }, e.span);
                }
                None => None,
            },
            ("to_json", Some(t)) if t.is_atomic() && t != DataType::Void => {
                let message = format!("to_json writes structs, arrays and maps, not {}", t.sql());
                return refuse(Reason::Rule { condition: "DATATYPE_MISMATCH.INVALID_JSON_SCHEMA", message }, e.span);
            }
            ("extract", _) => {
                let field = self.constant(&args[0], e.span)?;
                let source = args[1].data_type();
                let word = field.as_str().unwrap_or("NULL");
                match functions::extract_type(word, &source) {
                    Some(t) => Some(t),
                    None => {
                        let message = format!("cannot extract `{word}` from {}", source.sql());
                        return refuse(Reason::Rule { condition: "INVALID_EXTRACT_FIELD", message }, e.span);
                    }
                }
            }
            _ => None,
        })
    }

    /// The type of the numbers that a format such as `$9,999.99` spells.
    fn number_format(&self, format: &str, e: &ast::Expr) -> Result<DataType> {
        functions::number_format_type(format).or_else(|(condition, message)| {
            refuse(Reason::Rule { condition, message: format!("'{format}' is no number format: {message}") }, e.span)
        })
    }

    /// A decimal rounded to the constant count of digits in the second argument: one more digit before the point.
    fn rounded_type(&self, args: &[Expr], p: u8, s: u8, e: &ast::Expr) -> Result<DataType> {
        let digits = match args.get(1) {
            Some(d) => self.constant(d, e.span)?.as_int().unwrap_or(0),
            None => 0,
        };
        let whole = i64::from(p - s) + 1;
        let scale = digits.clamp(0, i64::from(s));
        let precision = if digits < 0 { whole.max(1 - digits) } else { whole + scale };
        Ok(DataType::Decimal(precision.clamp(1, 38) as u8, scale as u8))
    }

    /// Brings the sides of a condition such as USING to one type.
    pub(super) fn equal(&self, l: Expr, r: Expr, span: Span) -> Result<Expr> {
        let (lt, rt) = (l.data_type(), r.data_type());
        match common(&lt, &rt) {
            Some(t) => Ok(Expr::call("=", vec![cast(l, &t), cast(r, &t)], DataType::Boolean)),
            None => refuse(Reason::OperandTypes { expression: "USING".to_string(), left: lt, right: rt }, span),
        }
    }

    /// Whether `e` is a call of an aggregate function, looked at before anything is resolved.
    pub(super) fn is_aggregate_name(name: &str) -> bool {
        functions::find(name).is_some_and(|f| f.kind == Kind::Aggregate)
    }
}

fn holds_map(t: &DataType) -> bool {
    match t {
        DataType::Map(..) => true,
        DataType::Array(element) => holds_map(element),
        DataType::Struct(members) => members.iter().any(|m| holds_map(&m.data_type)),
        _ => false,
    }
}

fn concat_type(args: &[Expr]) -> Option<DataType> {
    let types: Vec<_> = args.iter().map(Expr::data_type).collect();
    if types.iter().any(|t| matches!(t, DataType::Array(_))) {
        return common_of(&types);
    }
    let binary = types.iter().all(|t| *t == DataType::Binary);
    Some(if binary { DataType::Binary } else { DataType::String })
}

/// `struct(a, b + 1)`: members take the names of plain columns, else `col1`, `col2`, …
pub(super) fn struct_of(items: Vec<(Expr, &ast::Expr)>) -> Expr {
    let named = |e: &ast::Expr| matches!(e.kind, ast::ExprKind::Name(_) | ast::ExprKind::Field { .. }).then(|| member_name(e));
    named_struct(items.into_iter().map(|(expr, e)| (named(e), expr)).collect())
}

fn named_struct(items: Vec<(Option<String>, Expr)>) -> Expr {
    let mut fields = Vec::new();
    let mut args = Vec::new();
    for (i, (name, expr)) in items.into_iter().enumerate() {
        let name = name.unwrap_or_else(|| format!("col{}", i + 1));
        fields.push(Field::new(name.clone(), expr.data_type()));
        args.push(Expr::string(name));
        args.push(expr);
    }
    Expr::call("named_struct", args, DataType::Struct(fields))
}
