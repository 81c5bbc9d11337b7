//! `grammar/eddy.ebnf` is the language: its words are the keywords, its rules the parsers, its sentences parse.

use crate::dice::Dice;
use eddyline::catalog::{Catalog, Relation, SourceDef};
use eddyline::lang::keywords::{KEYWORDS, Keyword};
use eddyline::lang::{parse_data_type, parse_statement};
use eddyline::progress::OutputMode;
use eddyline::types::Field;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// One side of a rule.
#[derive(Clone, Debug)]
enum Node {
    Word(String),
    Sign(String),
    Token(String),
    Rule(String),
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Optional(Box<Node>),
    Repeated(Box<Node>),
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn grammar() -> BTreeMap<String, Node> {
    let text = std::fs::read_to_string(root().join("grammar/eddy.ebnf")).unwrap();
    let tokens = tokens(&text);
    let mut rules = BTreeMap::new();
    let mut at = 0;
    while at < tokens.len() {
        let name = tokens[at].clone();
        assert_eq!(tokens[at + 1], "=", "behind {name}");
        at += 2;
        let node = choice(&tokens, &mut at);
        assert_eq!(tokens[at], ";", "at the end of {name}");
        at += 1;
        assert!(rules.insert(name.clone(), node).is_none(), "{name} stands twice");
    }
    rules
}

/// Words, quoted words and the signs of the notation; comments left out.
fn tokens(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = if rest.starts_with("(*") {
            rest = &rest[rest.find("*)").unwrap() + 2..];
            continue;
        } else if c.is_whitespace() {
            rest = &rest[1..];
            continue;
        } else if c == '\'' || c == '"' {
            rest[1..].find(c).unwrap() + 2
        } else if c.is_alphanumeric() {
            rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len())
        } else {
            1
        };
        out.push(rest[..length].to_string());
        rest = &rest[length..];
    }
    out
}

fn choice(tokens: &[String], at: &mut usize) -> Node {
    let mut options = vec![sequence(tokens, at)];
    while tokens[*at] == "|" {
        *at += 1;
        options.push(sequence(tokens, at));
    }
    if options.len() == 1 { options.remove(0) } else { Node::Choice(options) }
}

fn sequence(tokens: &[String], at: &mut usize) -> Node {
    let mut all = Vec::new();
    while ![";", "|", ")", "]", "}"].contains(&tokens[*at].as_str()) {
        let token = &tokens[*at];
        *at += 1;
        let inner = |at: &mut usize| {
            let node = choice(tokens, at);
            *at += 1;
            Box::new(node)
        };
        all.push(match token.as_str() {
            "(" => *inner(at),
            "[" => Node::Optional(inner(at)),
            "{" => Node::Repeated(inner(at)),
            word if word.starts_with('\'') => Node::Word(word.trim_matches('\'').to_string()),
            sign if sign.starts_with('"') => Node::Sign(sign.trim_matches('"').to_string()),
            name if name.chars().all(|c| c.is_ascii_uppercase() || c == '_') => Node::Token(name.to_string()),
            name => Node::Rule(name.to_string()),
        });
    }
    Node::Sequence(all)
}

fn walk<'a>(node: &'a Node, see: &mut impl FnMut(&'a Node)) {
    see(node);
    match node {
        Node::Sequence(all) | Node::Choice(all) => all.iter().for_each(|n| walk(n, see)),
        Node::Optional(inner) | Node::Repeated(inner) => walk(inner, see),
        _ => {}
    }
}

#[test]
fn the_words_of_the_grammar_are_the_keywords() {
    let mut words = BTreeSet::new();
    for node in grammar().values() {
        walk(node, &mut |n| {
            if let Node::Word(word) = n {
                words.insert(word.clone());
            }
        });
    }
    let table: BTreeSet<String> = KEYWORDS.iter().map(|k| k.0.to_string()).collect();
    let strays: Vec<_> = words.difference(&table).collect();
    // Known only to be refused by name.
    let refused = ["CLUSTER", "DISTRIBUTE"];
    let missing: Vec<_> = table.difference(&words).filter(|w| !refused.contains(&w.as_str())).collect();
    assert!(strays.is_empty() && missing.is_empty(), "not in the table: {strays:?}; not in the grammar: {missing:?}");
}

#[test]
fn every_rule_is_reachable_and_named_above_a_parser() {
    let rules = grammar();
    let mut reached = BTreeSet::from(["statement".to_string()]);
    let mut waiting = vec!["statement".to_string()];
    while let Some(name) = waiting.pop() {
        walk(&rules[&name], &mut |n| {
            if let Node::Rule(rule) = n {
                assert!(rules.contains_key(rule), "{name} uses {rule}, which is no rule");
                if reached.insert(rule.clone()) {
                    waiting.push(rule.clone());
                }
            }
        });
    }
    let unreached: Vec<_> = rules.keys().filter(|r| !reached.contains(*r)).collect();
    assert!(unreached.is_empty(), "{unreached:?}");

    let mut named = BTreeSet::new();
    let mut folders = vec![root().join("src/lang")];
    while let Some(path) = folders.pop() {
        if path.is_dir() {
            folders.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|e| e == "rs") {
            for line in std::fs::read_to_string(path).unwrap().lines().filter(|l| l.trim_start().starts_with("/// EBNF:")) {
                named.extend(line.split('`').skip(1).step_by(2).map(str::to_string));
            }
        }
    }
    let rules: BTreeSet<String> = rules.into_keys().collect();
    let unnamed: Vec<_> = rules.difference(&named).collect();
    let strays: Vec<_> = named.difference(&rules).collect();
    assert!(unnamed.is_empty() && strays.is_empty(), "without a parser: {unnamed:?}; without a rule: {strays:?}");
}

/// How many rules deep the shortest sentence of each rule goes.
fn depths(rules: &BTreeMap<String, Node>) -> BTreeMap<String, usize> {
    let mut depths: BTreeMap<String, usize> = BTreeMap::new();
    loop {
        let before = depths.len();
        let round: Vec<(String, usize)> = rules
            .iter()
            .filter(|(n, _)| !depths.contains_key(*n))
            .filter_map(|(n, node)| Some((n.clone(), depth(node, &depths)? + 1)))
            .collect();
        depths.extend(round);
        if depths.len() == before {
            return depths;
        }
    }
}

fn depth(node: &Node, depths: &BTreeMap<String, usize>) -> Option<usize> {
    match node {
        Node::Rule(name) => depths.get(name).copied(),
        Node::Sequence(all) => all.iter().map(|n| depth(n, depths)).try_fold(0, |most, d| d.map(|d| most.max(d))),
        Node::Choice(all) => all.iter().filter_map(|n| depth(n, depths)).min(),
        _ => Some(0),
    }
}

struct Writer<'a> {
    rules: &'a BTreeMap<String, Node>,
    depths: &'a BTreeMap<String, usize>,
    dice: Dice,
    out: Vec<String>,
}

impl Writer<'_> {
    fn write(&mut self, node: &Node, fuel: usize) {
        match node {
            Node::Word(word) => {
                let lower = self.dice.below(4) == 0;
                self.out.push(if lower { word.to_lowercase() } else { word.clone() });
            }
            Node::Sign(sign) => self.out.push(sign.clone()),
            Node::Token(token) => {
                let text = self.token(token);
                self.out.push(text);
            }
            Node::Rule(name) => {
                let node = &self.rules[name];
                self.write(node, fuel.saturating_sub(1));
            }
            Node::Sequence(all) => all.iter().for_each(|n| self.write(n, fuel)),
            Node::Choice(all) => {
                let cost = |n: &Node| depth(n, self.depths).unwrap_or(usize::MAX);
                let least = all.iter().map(cost).min().unwrap_or(0);
                let affordable: Vec<&Node> = all.iter().filter(|n| cost(n) <= fuel.max(least)).collect();
                let pick = self.dice.below(affordable.len());
                self.write(affordable[pick], fuel);
            }
            Node::Optional(inner) => {
                if fuel > 0 && depth(inner, self.depths).is_some_and(|d| d <= fuel) && self.dice.below(5) < 2 {
                    self.write(inner, fuel);
                }
            }
            Node::Repeated(inner) => {
                let mut left = 2;
                while left > 0 && depth(inner, self.depths).is_some_and(|d| d <= fuel) && self.dice.below(4) == 0 {
                    self.write(inner, fuel);
                    left -= 1;
                }
            }
        }
    }

    fn token(&mut self, token: &str) -> String {
        let options: &[&str] = match token {
            "NAME" => &["a", "b1", "word", "user_id", "`a b`", "`from`", "`x``y`", "`é`", "zz"],
            "TEXT" => &["'x'", "''", "'it''s'", "\"y\"", "'a\\nb'", "'/tmp/x'"],
            "NUMBER" => &["1", "0", "42", "1.5", "1e3", "7L", "2.50BD", "3S", "4Y", "1.5F", "2D", "5000000000"],
            "INTEGER" => &["1", "7", "30"],
            "POSITIVE" => &["1", "5", "60"],
            "PRECISION" => &["10", "38"],
            "SCALE" => &["0", "2"],
            "UNIT" => &["SECONDS", "minute", "HOURS"],
            "COLLATION" => &["UTF8_BINARY"],
            "CHARACTER_TEXT" => &["'/'", "'!'"],
            "DURATION_TEXT" => &["'2 seconds'", "'500 milliseconds'", "'1 minute 30 seconds'"],
            "RANGE_TEXT" => &["'1-2'", "'0-11'"],
            "DATE_TEXT" => &["'2024-02-29'", "'1999-1-2'"],
            "TIME_TEXT" => &["'6:30:45.887'", "'23:59'"],
            "TIMESTAMP_TEXT" => &["'2024-02-29 01:02:03'", "'2024-02-29'"],
            "HEX_TEXT" => &["'6869'", "''"],
            "HINT" => &["/*+ REPARTITION(3) */", "/*+ A, B(t) */"],
            other => panic!("the grammar uses the token {other}"),
        };
        options[self.dice.below(options.len())].to_string()
    }
}

/// Parses, formats and parses again.
fn survives(text: &str) -> Result<(), String> {
    let first = parse_statement(text).map_err(|e| format!("{e} at {:?}: {text}", text.get(e.span().range())))?;
    let formatted = first.to_string();
    let second =
        parse_statement(&formatted).map_err(|e| format!("{e} at {:?}: {text} became {formatted}", formatted.get(e.span().range())))?;
    if first == second && second.to_string() == formatted { Ok(()) } else { Err(format!("{text} became {formatted}, another tree")) }
}

#[test]
fn sentences_of_the_grammar_parse_and_survive_formatting() {
    let rules = grammar();
    let depths = depths(&rules);
    let sentences = std::env::var("EDDY_SENTENCES").ok().and_then(|n| n.parse().ok()).unwrap_or(6_000);
    let mut writer = Writer { rules: &rules, depths: &depths, dice: Dice(20_240_229), out: Vec::new() };
    let mut used: BTreeSet<Keyword> = BTreeSet::new();
    let mut wrong: Vec<String> = Vec::new();
    for n in 0..sentences {
        writer.out.clear();
        writer.write(&rules["statement"], 20 + n % 12);
        let text = writer.out.join(" ");
        wrong.extend(survives(&text).err());
        used.extend(writer.out.iter().filter_map(|w| Keyword::of(w)));
    }
    wrong.sort_by_key(String::len);
    assert!(wrong.is_empty(), "{} sentences, the shortest: {}", wrong.len(), wrong[..wrong.len().min(12)].join("\n"));
    assert!(used.len() > KEYWORDS.len() * 4 / 5, "the sentences use {} keywords", used.len());
}

/// A catalog in which the names that sentences are made of stand for streams and tables, with columns of those names.
fn catalog() -> Catalog {
    const NAMES: &[&str] = &["a", "b1", "word", "user_id", "a b", "from", "x`y", "é", "zz"];
    let types = [
        "INT",
        "STRING",
        "DOUBLE",
        "TIMESTAMP",
        "ARRAY<INT>",
        "MAP<STRING, INT>",
        "STRUCT<a: INT, word: STRING>",
        "DECIMAL(10,2)",
        "BOOLEAN",
    ];
    let mut catalog = Catalog::default();
    for (i, name) in NAMES.iter().enumerate() {
        let columns = NAMES.iter().zip(types.iter().cycle().skip(i));
        let columns = columns.map(|(n, t)| Field::new(*n, parse_data_type(t).expect("a type"))).collect();
        let streaming = i % 3 == 0;
        catalog.put(Relation::Source(SourceDef { name: (*name).to_string(), streaming, format: "json".into(), options: vec![], columns }));
    }
    catalog
}

/// Plans a text where it is a query, and asks what every output mode says of it.
fn plan(text: &str, catalog: &Catalog) {
    let Ok(query) = eddyline::lang::parse_query(text) else { return };
    if let Ok(analyzed) = eddyline::plan::analyze(&query, catalog, &crate::analysis::settings(), &crate::analysis::NoFold) {
        let _ = analyzed.plan.to_string();
        for mode in [OutputMode::Append, OutputMode::Update, OutputMode::Complete] {
            let _ = eddyline::plan::streaming::check(&analyzed, mode);
        }
    }
}

#[test]
fn sentences_of_the_grammar_are_planned_without_panic() {
    let rules = grammar();
    let depths = depths(&rules);
    let catalog = catalog();
    let sentences = std::env::var("EDDY_SENTENCES").ok().and_then(|n| n.parse().ok()).unwrap_or(3_000);
    let mut writer = Writer { rules: &rules, depths: &depths, dice: Dice(7_041_776), out: Vec::new() };
    for n in 0..sentences {
        writer.out.clear();
        writer.write(&rules["query"], 14 + n % 14);
        plan(&writer.out.join(" "), &catalog);
        // Damaged: a word is taken out, doubled, or put elsewhere.
        let words = writer.out.len();
        if words > 2 {
            let (from, to) = (writer.dice.below(words), writer.dice.below(words));
            let word = writer.out[from].clone();
            match n % 3 {
                0 => drop(writer.out.remove(from)),
                1 => writer.out.insert(to, word),
                _ => writer.out[to] = word,
            }
            plan(&writer.out.join(" "), &catalog);
        }
    }
}
