//! Streams, tables, views and own functions by name.
//!
//! Names compare without regard to case and keep the spelling they were made with.

use crate::lang::ast::{self, RelationKind};
use crate::types::Field;
use std::collections::BTreeMap;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Relation {
    /// A live stream or a bounded table over files.
    Source(SourceDef),
    /// A bounded table held in memory: `CREATE TABLE AS`, or a memory sink.
    Memory(MemoryDef),
    /// A named query.
    View(Box<ViewDef>),
}

/// `CREATE {STREAM | TABLE} … USING …` with its schema known.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceDef {
    /// As spelt.
    pub name: String,
    /// A stream rather than a table.
    pub streaming: bool,
    /// Lower case.
    pub format: String,
    /// As declared, keys in their spelling.
    pub options: Vec<(String, String)>,
    /// Declared or inferred columns.
    pub columns: Vec<Field>,
}

/// A table in memory; its rows are the session's.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryDef {
    /// As spelt.
    pub name: String,
    /// Its columns.
    pub columns: Vec<Field>,
}

/// `CREATE VIEW name AS query`
#[derive(Clone, Debug, PartialEq)]
pub struct ViewDef {
    /// As spelt.
    pub name: String,
    /// The query as written.
    pub query: ast::Query,
}

/// `CREATE TEMPORARY FUNCTION`
#[derive(Clone, Debug, PartialEq)]
pub struct FunctionDef {
    /// As spelt.
    pub name: String,
    /// Parameters in order, with their defaults.
    pub params: Vec<ast::Parameter>,
    /// What it declares to give.
    pub returns: ast::Returns,
    /// The text after COMMENT.
    pub comment: Option<String>,
    /// What stands after RETURN.
    pub body: ast::FunctionBody,
}

impl Relation {
    /// The name as spelt.
    pub fn name(&self) -> &str {
        match self {
            Relation::Source(s) => &s.name,
            Relation::Memory(m) => &m.name,
            Relation::View(v) => &v.name,
        }
    }

    /// Stream, table or view.
    pub fn kind(&self) -> RelationKind {
        match self {
            Relation::Source(s) if s.streaming => RelationKind::Stream,
            Relation::Source(_) | Relation::Memory(_) => RelationKind::Table,
            Relation::View(_) => RelationKind::View,
        }
    }
}

/// All names of a session.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    relations: BTreeMap<String, Relation>,
    functions: BTreeMap<String, FunctionDef>,
}

impl Catalog {
    /// What `name` stands for.
    pub fn relation(&self, name: &str) -> Option<&Relation> {
        self.relations.get(&name.to_lowercase())
    }

    /// Puts a relation under its name, in place of any that had it.
    pub fn put(&mut self, relation: Relation) {
        self.relations.insert(relation.name().to_lowercase(), relation);
    }

    /// Takes a relation out.
    pub fn remove(&mut self, name: &str) -> Option<Relation> {
        self.relations.remove(&name.to_lowercase())
    }

    /// All relations in the order of their names.
    pub fn relations(&self) -> impl Iterator<Item = &Relation> {
        self.relations.values()
    }

    /// The session's own function of that name.
    pub fn function(&self, name: &str) -> Option<&FunctionDef> {
        self.functions.get(&name.to_lowercase())
    }

    /// Puts an own function under its name.
    pub fn put_function(&mut self, function: FunctionDef) {
        self.functions.insert(function.name.to_lowercase(), function);
    }

    /// Takes an own function out.
    pub fn remove_function(&mut self, name: &str) -> Option<FunctionDef> {
        self.functions.remove(&name.to_lowercase())
    }

    /// All own functions in the order of their names.
    pub fn functions(&self) -> impl Iterator<Item = &FunctionDef> {
        self.functions.values()
    }
}
