//! What names mean at one place of a query.

use crate::plan::logical::Column;

/// A column in sight, with the relation's alias it goes by.
#[derive(Clone, Debug)]
pub(crate) struct Visible {
    pub(crate) column: Column,
    /// Alias or name of the relation: `e` in `FROM events AS e`.
    pub(crate) qualifier: Option<String>,
    /// The right-hand copy of a USING column: found when qualified, left out of `*` and of bare names.
    pub(crate) hidden: bool,
    /// A time window that the query made: found by name, left out of `*`.
    pub(crate) made: bool,
}

/// All columns in sight, in the order `*` lists them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    pub(crate) columns: Vec<Visible>,
}

/// What a name turned out to be.
#[derive(Debug)]
pub(crate) enum Found {
    /// A column, and how many parts of the name it took.
    Column(Column, usize),
    /// Several columns; how each can be told from the others.
    Ambiguous(Vec<String>),
    /// Nothing.
    Missing,
}

impl Scope {
    /// The columns of a relation under one qualifier.
    pub(crate) fn of(columns: Vec<Column>, qualifier: Option<&str>) -> Scope {
        let qualifier = qualifier.map(str::to_string);
        Scope {
            columns: columns
                .into_iter()
                .map(|column| Visible { column, qualifier: qualifier.clone(), hidden: false, made: false })
                .collect(),
        }
    }

    /// Both scopes side by side.
    pub(crate) fn join(mut self, right: Scope) -> Scope {
        self.columns.extend(right.columns);
        self
    }

    /// The same columns under a new qualifier, hidden ones left out.
    pub(crate) fn aliased(self, qualifier: Option<&str>) -> Scope {
        let columns = self.columns.into_iter().filter(|v| !v.hidden && !v.made);
        Scope { columns: columns.map(|v| Visible { qualifier: qualifier.map(str::to_string), ..v }).collect() }
    }

    /// Looks up `parts`, first as `qualifier.column`, then as a bare column; what is left over are struct members.
    pub(crate) fn find(&self, parts: &[&str]) -> Found {
        let path = path_length(parts);
        if path > 0
            && let Found::Column(column, taken) = self.find(&parts[path..])
        {
            return Found::Column(column, taken + path);
        }
        if parts.len() >= 2 {
            let qualified = |v: &&Visible| v.qualifier.as_deref().is_some_and(|q| same(q, parts[0])) && same(&v.column.name, parts[1]);
            if let Some(found) = self.pick(self.columns.iter().filter(qualified).collect(), 2) {
                return found;
            }
        }
        let bare: Vec<_> = self.columns.iter().filter(|v| !v.hidden && same(&v.column.name, parts[0])).collect();
        // A column that the relation itself has comes before a window that the query made.
        let own: Vec<_> = bare.iter().copied().filter(|v| !v.made).collect();
        self.pick(if own.is_empty() { bare } else { own }, 1).unwrap_or(Found::Missing)
    }

    fn pick(&self, mut candidates: Vec<&Visible>, taken: usize) -> Option<Found> {
        let mut seen = Vec::new();
        candidates.retain(|v| {
            let new = !seen.contains(&v.column.id);
            seen.push(v.column.id);
            new
        });
        match candidates.as_slice() {
            [] => None,
            [one] => Some(Found::Column(one.column.clone(), taken)),
            many => Some(Found::Ambiguous(
                many.iter()
                    .map(|v| match &v.qualifier {
                        Some(q) => format!("{q}.{}", v.column.name),
                        None => v.column.name.clone(),
                    })
                    .collect(),
            )),
        }
    }

    /// The columns `*` stands for, or `qualifier.*`; `None` when no relation has that qualifier.
    pub(crate) fn star(&self, qualifier: Option<&str>) -> Option<Vec<Visible>> {
        let Some(qualifier) = qualifier else {
            return Some(self.columns.iter().filter(|v| !v.hidden && !v.made).cloned().collect());
        };
        let of: Vec<_> = self.columns.iter().filter(|v| v.qualifier.as_deref().is_some_and(|q| same(q, qualifier))).cloned().collect();
        (!of.is_empty()).then_some(of)
    }

    /// Names and types, for messages.
    pub(crate) fn listing(&self) -> Vec<(String, String)> {
        self.columns.iter().filter(|v| !v.hidden).map(|v| (v.column.name.clone(), v.column.data_type.to_string())).collect()
    }
}

/// How many parts of `spark_catalog.default.t.a` say where all relations are.
pub(crate) fn path_length(parts: &[&str]) -> usize {
    match parts {
        [catalog, schema, _, _, ..] if same(catalog, "spark_catalog") && same(schema, "default") => 2,
        [schema, _, _, ..] if same(schema, "default") => 1,
        _ => 0,
    }
}

/// Names compare without regard to case.
pub(crate) fn same(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || a.to_lowercase() == b.to_lowercase()
}
