//! What failed while a query ran, told over the query's text.

use crate::diagnostic::Diagnostic;
use crate::engine::EngineError;
use crate::plan::places::Places;

/// The error as a message: a caret below the operation that failed, and the values that it failed on.
pub fn diagnose(error: EngineError, places: &Places) -> Diagnostic {
    let Some(blame) = error.failure().blame.clone() else { return error.into() };
    let columns: Vec<_> = blame.columns.iter().map(|(id, _)| *id).collect();
    let span = places.find(blame.operation, &columns);
    let message = error.failure().message.clone();
    let mut diagnostic = Diagnostic::from(error);
    if let Some(span) = span {
        // The place says more than the operator's name.
        diagnostic.message = message;
        diagnostic.span = Some(span);
    }
    let values = blame.columns.iter().filter_map(|(id, value)| Some(format!("{} = {}", places.name(*id)?, short(value.as_ref()?))));
    let values: Vec<_> = values.take(MOST_VALUES).collect();
    if !values.is_empty() {
        diagnostic.notes.insert(0, format!("in the row where {}", values.join(", ")));
    }
    diagnostic
}

/// So many columns of the row at fault are told.
const MOST_VALUES: usize = 6;

/// At most this many characters of a value.
const LONGEST_VALUE: usize = 60;

fn short(value: &str) -> String {
    match value.char_indices().nth(LONGEST_VALUE) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value.to_string(),
    }
}
