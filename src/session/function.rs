//! CREATE and DROP of the session's own functions.

use super::start::Folder;
use super::{Outcome, Session, suggest};
use crate::catalog::FunctionDef;
use crate::diagnostic::Diagnostic;
use crate::lang::ast::{CreateFunction, Ident, Returns};
use crate::plan::{self, functions};
use crate::types::quote_if_needed;

impl Session {
    pub(super) fn create_function(&mut self, create: CreateFunction) -> Result<Outcome, Diagnostic> {
        let CreateFunction { or_replace, if_not_exists, name, params, returns, comment, body, body_span } = create;
        let refuse = |condition: &str, message: String| Err(Diagnostic::error(message).condition(condition).at(name.span));
        if if_not_exists {
            let message = "a temporary function takes no IF NOT EXISTS; write CREATE OR REPLACE".to_string();
            return refuse("INVALID_SQL_SYNTAX.CREATE_TEMP_FUNC_WITH_IF_NOT_EXISTS", message);
        }
        if functions::find(&name.name).is_some() {
            let message = format!("`{}` is a function of the language; give yours another name", name.name);
            let condition =
                if or_replace { "USER_DEFINED_FUNCTIONS.CANNOT_REPLACE_NON_SQL_UDF_WITH_SQL_UDF" } else { "ROUTINE_ALREADY_EXISTS" };
            return refuse(condition, message);
        }
        if !or_replace && self.catalog.function(&name.name).is_some() {
            let message = format!("there is a function `{}` already; CREATE OR REPLACE takes its place", name.name);
            return refuse("ROUTINE_ALREADY_EXISTS", message);
        }
        let function = FunctionDef { name: name.name.clone(), params, returns, comment, body };
        // The body may not call the function that it makes, nor the one that it replaces.
        let old = self.catalog.remove_function(&name.name);
        let fold = Folder(self.eval_context());
        let checked = plan::check_function(&function, body_span, &self.catalog, &self.plan_settings(), &fold);
        if let Err(error) = checked {
            if let Some(old) = old {
                self.catalog.put_function(old);
            }
            return Err(Diagnostic::from(*error));
        }
        let note = format!("{} · function", signature(&function));
        self.catalog.put_function(function);
        Ok(Outcome::note(note))
    }

    pub(super) fn drop_function(&mut self, if_exists: bool, name: &Ident) -> Result<Outcome, Diagnostic> {
        if self.catalog.remove_function(&name.name).is_some() {
            return Ok(Outcome::note(format!("{} · dropped", name.name)));
        }
        if functions::find(&name.name).is_some() {
            let message = format!("`{}` is a function of the language and stays", name.name);
            return Err(Diagnostic::error(message).condition("FORBIDDEN_OPERATION").at(name.span));
        }
        if if_exists {
            return Ok(Outcome::note(format!("{} · was not there", name.name)));
        }
        let names: Vec<String> = self.catalog.functions().map(|f| f.name.clone()).collect();
        let error = Diagnostic::error(format!("there is no function `{}` of this session", name.name));
        Err(suggest(error.condition("ROUTINE_NOT_FOUND").at(name.span), &name.name, &names, "own functions"))
    }
}

/// `f(x INT, y INT DEFAULT 10) RETURNS INT`
pub(super) fn signature(function: &FunctionDef) -> String {
    let parameters: Vec<String> = function
        .params
        .iter()
        .map(|p| {
            let default = p.default.as_ref().map(|d| format!(" DEFAULT {d}")).unwrap_or_default();
            format!("{} {}{default}", quote_if_needed(&p.name.name), p.data_type.sql())
        })
        .collect();
    let returns = match &function.returns {
        Returns::Nothing => String::new(),
        Returns::Type(t) => format!(" RETURNS {}", t.sql()),
        Returns::Table(None) => " RETURNS TABLE".to_string(),
        Returns::Table(Some(columns)) => {
            let columns: Vec<String> = columns.iter().map(|c| format!("{} {}", quote_if_needed(&c.name.name), c.data_type.sql())).collect();
            format!(" RETURNS TABLE ({})", columns.join(", "))
        }
    };
    format!("{}({}){returns}", quote_if_needed(&function.name), parameters.join(", "))
}
