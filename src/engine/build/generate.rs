//! Building generators: explode and what else makes several rows of one.

use super::{Builder, Needed, kept, not_built, with};
use crate::engine::EngineError;
use crate::engine::node::Node;
use crate::engine::operator::generate::{Generate, Generator};
use crate::plan::LogicalPlan;
use crate::plan::expr::Expr;
use crate::plan::logical::Column;
use crate::types::{DataType, Value};

impl Builder<'_> {
    pub(super) fn generate(
        &mut self,
        input: &LogicalPlan,
        generator: &Expr,
        outer: bool,
        columns: &[Column],
        needed: &Needed,
    ) -> Result<Node, EngineError> {
        let below = with(needed, [generator]);
        let node = self.node(input, &below)?;
        let Expr::Call { function, args, .. } = generator else { return Err(EngineError::internal("a generator that is no call")) };
        let outer = outer || function.0.ends_with("_outer");
        let generator = match function.0 {
            "explode" | "explode_outer" | "posexplode" | "posexplode_outer" => {
                let position = function.0.starts_with("pos");
                match plain_split(&args[0]).filter(|_| !position) {
                    Some((text, delimiter)) => Generator::Split { text: self.bind(text)?, delimiter },
                    None => {
                        let map = matches!(args[0].data_type(), DataType::Map(..));
                        Generator::Explode { list: self.bind(&args[0])?, position, map }
                    }
                }
            }
            "inline" | "inline_outer" => Generator::Inline(self.bind(&args[0])?),
            "stack" => {
                let rows = self.bind(&args[0])?.evaluate_scalar(&self.around.eval)?.as_int().unwrap_or(0);
                let exprs = args[1..].iter().map(|e| self.bind(e)).collect::<Result<_, _>>()?;
                Generator::Stack { rows: usize::try_from(rows).unwrap_or(0), exprs }
            }
            "json_tuple" => Generator::Row(args[1..].iter().map(|f| self.bind(&json_field(&args[0], f)?)).collect::<Result<_, _>>()?),
            other => return Err(not_built(other)),
        };
        let keep = kept(input, needed);
        let columns = columns.iter().map(|c| (c.id, c.data_type.clone())).collect();
        Ok(node.then(Generate { generator, outer, keep, columns }))
    }
}

/// `split(text, 'c')` by one plain character, without a limit: the text and the character.
fn plain_split(expr: &Expr) -> Option<(&Expr, u8)> {
    let Expr::Call { function, args, .. } = expr else { return None };
    if function.0 != "split" {
        return None;
    }
    let unlimited = match args.get(2) {
        None => true,
        Some(Expr::Literal { value, .. }) => value.as_int() == Some(-1),
        Some(_) => false,
    };
    let Some(Expr::Literal { value: Value::String(pattern), .. }) = args.get(1).filter(|_| unlimited) else { return None };
    match pattern.as_bytes() {
        [c] if c.is_ascii() && !br"\.[]{}()*+?^$|".contains(c) => Some((&args[0], *c)),
        [b'\\', c] if c.is_ascii_punctuation() => Some((&args[0], *c)),
        _ => None,
    }
}

/// The field of a JSON text that `json_tuple` asks for.
fn json_field(json: &Expr, field: &Expr) -> Result<Expr, EngineError> {
    let Expr::Literal { value: Value::String(name), .. } = field else {
        return Err(EngineError::user("json_tuple takes constant field names only"));
    };
    Ok(Expr::call("get_json_object", vec![json.clone(), Expr::string(format!("$['{name}']"))], DataType::String))
}
