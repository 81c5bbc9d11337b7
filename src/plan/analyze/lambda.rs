//! Functions that take a lambda: what its parameters are, and what the call gives.

use super::{Analyzer, Env, Result, refuse};
use crate::lang::ast::{self, ExprKind};
use crate::plan::coerce::{cast, tightest};
use crate::plan::error::Reason;
use crate::plan::expr::Expr;
use crate::plan::naming::spell;
use crate::types::DataType;

impl Analyzer<'_> {
    /// The call when `name` takes lambdas, else `None`.
    pub(super) fn higher_order(&mut self, name: &str, call: &ast::Call, e: &ast::Expr, env: &mut Env) -> Result<Option<Expr>> {
        let canonical = match name {
            "reduce" => "aggregate",
            "transform" | "filter" | "exists" | "forall" | "aggregate" | "zip_with" | "map_filter" | "transform_keys"
            | "transform_values" | "map_zip_with" => name,
            "array_sort" if call.args.len() == 2 => name,
            _ => return Ok(None),
        };
        let values: usize = match canonical {
            "aggregate" | "zip_with" | "map_zip_with" => 2,
            _ => 1,
        };
        let most = if canonical == "aggregate" { 4 } else { values + 1 };
        if call.args.len() <= values || call.args.len() > most {
            let expected = format!("{} arguments", values + 1);
            return refuse(Reason::WrongArgumentCount { function: canonical.to_string(), expected, found: call.args.len() }, e.span);
        }
        let mut args = Vec::new();
        for argument in &call.args[..values] {
            args.push(self.expr(&argument.value, env)?);
        }
        let types: Vec<_> = args.iter().map(Expr::data_type).collect();
        let array = |i: usize| match &types[i] {
            DataType::Array(element) => Ok((**element).clone()),
            found => self.unexpected(&spell(e), i + 1, "an ARRAY".to_string(), found.clone(), call.args[i].value.span),
        };
        let map = |i: usize| match &types[i] {
            DataType::Map(key, value) => Ok(((**key).clone(), (**value).clone())),
            found => self.unexpected(&spell(e), i + 1, "a MAP".to_string(), found.clone(), call.args[i].value.span),
        };
        let lambda_at = &call.args[values].value;
        let function: &'static str = match crate::plan::functions::find(canonical) {
            Some(f) => f.name,
            None => return refuse(Reason::NotBuilt { what: format!("the function `{canonical}`") }, e.span),
        };
        let data_type = match canonical {
            "transform" => {
                let lambda = self.lambda(lambda_at, &[array(0)?, DataType::Int], 1, env)?;
                let t = DataType::array(lambda.data_type());
                args.push(lambda);
                t
            }
            "filter" | "exists" | "forall" => {
                let params = [array(0)?, DataType::Int];
                let params = if canonical == "filter" { &params[..] } else { &params[..1] };
                args.push(self.predicate(lambda_at, params, e, env)?);
                if canonical == "filter" { types[0].clone() } else { DataType::Boolean }
            }
            "array_sort" => {
                let element = array(0)?;
                let lambda = self.lambda(lambda_at, &[element.clone(), element], 2, env)?;
                if lambda.data_type() != DataType::Int {
                    let message = format!("the lambda of array_sort has to give an INT, not {}", lambda.data_type().sql());
                    return refuse(Reason::Rule { condition: "DATATYPE_MISMATCH.UNEXPECTED_RETURN_TYPE", message }, lambda_at.span);
                }
                args.push(lambda);
                types[0].clone()
            }
            "aggregate" => {
                let element = array(0)?;
                let state = types[1].clone();
                let merge = self.lambda(lambda_at, &[state.clone(), element], 2, env)?;
                let merge = match merge {
                    Expr::Lambda { params, body } if body.data_type() == DataType::Void => {
                        Expr::Lambda { params, body: Box::new(cast(*body, &state)) }
                    }
                    other => other,
                };
                if merge.data_type() != state {
                    return self.unexpected(
                        &spell(e),
                        3,
                        format!("a lambda that gives {}", state.sql()),
                        merge.data_type(),
                        lambda_at.span,
                    );
                }
                args.push(merge);
                match call.args.get(3) {
                    Some(finish) => {
                        let finish = self.lambda(&finish.value, &[state], 1, env)?;
                        let t = finish.data_type();
                        args.push(finish);
                        t
                    }
                    None => state,
                }
            }
            "zip_with" => {
                let lambda = self.lambda(lambda_at, &[array(0)?, array(1)?], 2, env)?;
                let t = DataType::array(lambda.data_type());
                args.push(lambda);
                t
            }
            "map_filter" => {
                let (key, value) = map(0)?;
                args.push(self.predicate(lambda_at, &[key, value], e, env)?);
                types[0].clone()
            }
            "transform_keys" | "transform_values" => {
                let (key, value) = map(0)?;
                let lambda = self.lambda(lambda_at, &[key.clone(), value.clone()], 2, env)?;
                let body = lambda.data_type();
                args.push(lambda);
                if canonical == "transform_keys" { DataType::map(body, value) } else { DataType::map(key, body) }
            }
            _ => {
                let ((k1, v1), (k2, v2)) = (map(0)?, map(1)?);
                let Some(key) = tightest(&k1, &k2) else {
                    let message = format!("the keys of the two maps do not go together: {} and {}", k1.sql(), k2.sql());
                    return refuse(Reason::Rule { condition: "DATATYPE_MISMATCH.MAP_ZIP_WITH_DIFF_TYPES", message }, e.span);
                };
                args = vec![
                    cast(args[0].clone(), &DataType::map(key.clone(), v1.clone())),
                    cast(args[1].clone(), &DataType::map(key.clone(), v2.clone())),
                ];
                let lambda = self.lambda(lambda_at, &[key.clone(), v1, v2], 3, env)?;
                let t = DataType::map(key, lambda.data_type());
                args.push(lambda);
                t
            }
        };
        Ok(Some(Expr::call(function, args, data_type)))
    }

    fn predicate(&mut self, lambda: &ast::Expr, params: &[DataType], e: &ast::Expr, env: &mut Env) -> Result<Expr> {
        let resolved = self.lambda(lambda, params, 1, env)?;
        match resolved.data_type() {
            DataType::Boolean => Ok(resolved),
            DataType::Void => Ok(match resolved {
                Expr::Lambda { params, body } => Expr::Lambda { params, body: Box::new(cast(*body, &DataType::Boolean)) },
                other => other,
            }),
            found => self.unexpected(&spell(e), 2, "a lambda that gives BOOLEAN".to_string(), found, lambda.span),
        }
    }

    /// Resolves a lambda over parameters of these types; it may name at least `least` of them and at most all.
    fn lambda(&mut self, e: &ast::Expr, types: &[DataType], least: usize, env: &mut Env) -> Result<Expr> {
        let ExprKind::Lambda { params, body } = &e.kind else {
            // What is no lambda stands for one that ignores its parameters.
            return Ok(Expr::Lambda { params: vec![], body: Box::new(self.expr(e, env)?) });
        };
        if params.len() < least || params.len() > types.len() {
            let message = format!("a lambda of {} parameters where one of {} is wanted", params.len(), types.len());
            return refuse(Reason::Rule { condition: "INVALID_LAMBDA_FUNCTION_CALL.NUM_ARGS_MISMATCH", message }, e.span);
        }
        let columns: Vec<_> = params.iter().zip(types).map(|(p, t)| self.column(p.name.clone(), t.clone())).collect();
        let bound = columns.iter().map(|c| (c.id, c.data_type.clone())).collect();
        env.lambdas.push(columns);
        let body = self.expr(body, env);
        env.lambdas.pop();
        Ok(Expr::Lambda { params: bound, body: Box::new(body?) })
    }
}
