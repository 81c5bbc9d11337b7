//! What Tab offers: keywords, functions, names of the session, columns in sight, options, settings, dot commands.

use super::help::TOPICS;
use crate::catalog::{Catalog, Relation};
use crate::lang::keywords::KEYWORDS;
use crate::lang::lexer::{Highlight, highlights};
use crate::plan::functions;
use crate::session::SETTINGS;
use crate::types::quote_if_needed;

/// The session's names, as they were when the prompt was shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    relations: Vec<(String, Vec<String>)>,
    queries: Vec<String>,
}

impl Names {
    /// Of a catalog and of the queries started.
    pub(super) fn new(catalog: &Catalog, queries: Vec<String>) -> Names {
        let columns = |relation: &Relation| match relation {
            Relation::Source(s) => s.columns.iter().map(|f| f.name.clone()).collect(),
            Relation::Memory(m) => m.columns.iter().map(|f| f.name.clone()).collect(),
            Relation::View(_) => Vec::new(),
        };
        Names { relations: catalog.relations().map(|r| (r.name().to_string(), columns(r))).collect(), queries }
    }
}

/// The dot commands.
pub(super) const DOT_COMMANDS: &[&str] = &[".dash", ".demo", ".help", ".quit", ".timing"];

/// Formats and sinks, for what stands after USING and INTO.
const FORMATS: &[&str] = &["socket", "text", "csv", "json", "parquet", "rate", "rate-micro-batch", "stdin"];
const SINKS: &[&str] = &["console", "memory", "noop"];

/// Options of sources and sinks that people type most.
const OPTIONS: &[&str] = &[
    "path",
    "host",
    "port",
    "includeTimestamp",
    "format",
    "header",
    "sep",
    "mode",
    "maxFilesPerTrigger",
    "maxBytesPerTrigger",
    "rowsPerSecond",
    "rowsPerBatch",
    "timestampFormat",
    "truncate",
    "numRows",
    "vertical",
    "multiLine",
    "reconnect",
    "recursiveFileLookup",
    "pathGlobFilter",
    "latestFirst",
];

/// Where the completion starts in `line`, and what fits there. `before` are the earlier lines of the statement.
pub(super) fn complete(names: &Names, before: &str, line: &str, pos: usize) -> (usize, Vec<String>) {
    let typed = &line[..pos];
    if before.is_empty() && typed.starts_with('.') {
        return dot(names, typed);
    }
    let start = word_start(typed);
    let word = typed[start..].to_lowercase();
    let mut found = candidates(names, before, line, &typed[..start], &typed[start..]);
    found.retain(|c| c.to_lowercase().starts_with(&word));
    found.sort();
    found.dedup();
    (start, found)
}

/// Everything that may stand after `typed`, whether or not it begins like `word`.
fn candidates(names: &Names, before: &str, line: &str, typed: &str, word: &str) -> Vec<String> {
    let strings = |list: &[&str]| list.iter().map(|s| (*s).to_string()).collect::<Vec<_>>();
    let relations = || names.relations.iter().map(|(n, _)| quote_if_needed(n));
    let keywords = || KEYWORDS.iter().map(|(k, _, _)| like(k, word));
    let words = words_of(&format!("{before}{typed}"));
    match words.last().map(String::as_str).unwrap_or_default() {
        "SET" | "RESET" => SETTINGS.iter().map(|s| s.key.to_string()).collect(),
        "USING" => strings(FORMATS),
        "INTO" => strings(SINKS),
        "STOP" | "PAUSE" | "RESUME" | "AWAIT" | "QUERY" => {
            names.queries.iter().map(|q| quote_if_needed(q)).chain([like("ALL", word)]).collect()
        }
        "MODE" => strings(&["append", "update", "complete"]),
        "TRIGGER" => strings(&["PROCESSING TIME '", "AVAILABLE NOW", "ONCE"]),
        "STREAM" | "FROM" | "JOIN" | "TABLE" | "VIEW" | "DESCRIBE" | "DROP" => relations().chain(keywords()).collect(),
        _ if within_options(&words) => strings(OPTIONS),
        _ if word.is_empty() => columns_in_sight(names, &format!("{before}{line}")),
        _ => {
            let spelt = functions::all().flat_map(|f| std::iter::once(f.name).chain(f.aliases.iter().copied()));
            let callable = spelt.filter(|n| n.starts_with(|c: char| c.is_ascii_alphabetic())).map(|n| format!("{n}("));
            columns_in_sight(names, &format!("{before}{line}")).into_iter().chain(relations()).chain(callable).chain(keywords()).collect()
        }
    }
}

/// Where the word before the cursor begins; a setting's dots belong to its word.
fn word_start(typed: &str) -> usize {
    let first = typed.split_whitespace().next().unwrap_or_default();
    let dotted = first.eq_ignore_ascii_case("SET") || first.eq_ignore_ascii_case("RESET");
    let in_word = |c: char| c.is_alphanumeric() || c == '_' || (dotted && (c == '.' || c == '-'));
    typed.char_indices().rev().find(|(_, c)| !in_word(*c)).map_or(0, |(i, c)| i + c.len_utf8())
}

/// A keyword in the case of what is typed.
fn like(keyword: &str, word: &str) -> String {
    if word.chars().any(char::is_lowercase) { keyword.to_lowercase() } else { keyword.to_string() }
}

fn dot(names: &Names, typed: &str) -> (usize, Vec<String>) {
    let Some((command, rest)) = typed.split_once(' ') else {
        return (0, DOT_COMMANDS.iter().filter(|c| c.starts_with(typed)).map(|c| (*c).to_string()).collect());
    };
    let candidates: Vec<String> = match command {
        ".dash" => names.queries.clone(),
        ".help" => TOPICS.iter().map(|t| t.name.to_string()).collect(),
        _ => Vec::new(),
    };
    (command.len() + 1, candidates.into_iter().filter(|c| c.starts_with(rest)).collect())
}

/// The words and signs of a text in upper case, comments left out.
fn words_of(text: &str) -> Vec<String> {
    let all = highlights(text).into_iter().filter(|(kind, _)| *kind != Highlight::Comment);
    all.map(|(_, span)| text[span.range()].to_uppercase()).collect()
}

/// Whether the cursor stands within the brackets of OPTIONS.
fn within_options(words: &[String]) -> bool {
    let Some(at) = words.iter().rposition(|w| w == "OPTIONS") else { return false };
    let open = words[at..].iter().filter(|w| *w == "(").count();
    open > words[at..].iter().filter(|w| *w == ")").count()
}

/// Columns of the relations that the statement names; of all relations when it names none yet.
fn columns_in_sight(names: &Names, statement: &str) -> Vec<String> {
    let words = words_of(statement);
    let named: Vec<&(String, Vec<String>)> = names.relations.iter().filter(|(n, _)| words.contains(&n.to_uppercase())).collect();
    let shown = if named.is_empty() { names.relations.iter().collect() } else { named };
    shown.into_iter().flat_map(|(_, columns)| columns.iter().map(|c| quote_if_needed(c))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Names {
        Names {
            relations: vec![
                ("lines".to_string(), vec!["value".to_string()]),
                ("orders".to_string(), vec!["id".to_string(), "two words".to_string()]),
            ],
            queries: vec!["counts".to_string()],
        }
    }

    fn offered(line: &str) -> Vec<String> {
        complete(&names(), "", line, line.len()).1
    }

    #[test]
    fn what_is_offered_follows_what_stands_before() {
        assert_eq!(offered("SELECT * FROM STREAM lin"), ["lines"]);
        assert_eq!(offered("STOP co"), ["counts"]);
        assert_eq!(offered("create stream s using so"), ["socket"]);
        assert_eq!(offered("SELECT 1 INTO no"), ["noop"]);
        assert_eq!(offered(".da"), [".dash"]);
        assert_eq!(offered(".dash c"), ["counts"]);
        assert!(offered("SELECT exp").contains(&"explode(".to_string()));
        assert!(offered("SELECT v").contains(&"value".to_string()));
        assert!(offered("sel").contains(&"select".to_string()));
        assert!(offered("CREATE STREAM s USING socket OPTIONS (ho").contains(&"host".to_string()));
    }

    #[test]
    fn settings_complete_over_their_dots() {
        let line = "SET spark.sql.shu";
        assert_eq!(complete(&names(), "", line, line.len()), (4, vec!["spark.sql.shuffle.partitions".to_string()]));
    }

    #[test]
    fn columns_are_those_of_the_relations_named() {
        let (start, found) = complete(&names(), "", "SELECT  FROM orders", 7);
        assert_eq!(start, 7);
        assert_eq!(found, ["`two words`", "id"]);
    }
}
