//! House rules as tests: every file says what it is for, imports point down, heavy dependencies have one
//! home, the files that documents name exist.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Every source file: its path under `src` and its text.
fn sources() -> Vec<(String, String)> {
    let src = root().join("src");
    let mut paths = Vec::new();
    rust_files(&src, &mut paths);
    let name = |p: &PathBuf| p.strip_prefix(&src).unwrap().to_string_lossy().replace('\\', "/");
    paths.iter().map(|p| (name(p), fs::read_to_string(p).unwrap())).collect()
}

/// Which layer a file belongs to.
fn layer(path: &str) -> &str {
    path.split('/').next().unwrap().trim_end_matches(".rs")
}

/// For each layer, the layers it may use. Imports point down only.
const MAY_USE: &[(&str, &[&str])] = &[
    ("diagnostic", &[]),
    ("types", &["diagnostic"]),
    ("lang", &["types", "diagnostic"]),
    ("catalog", &["lang", "types", "diagnostic"]),
    ("progress", &["diagnostic"]),
    ("checkpoint", &["diagnostic"]),
    ("plan", &["lang", "catalog", "types", "diagnostic", "progress"]),
    ("engine", &["plan", "lang", "catalog", "types", "diagnostic", "progress", "checkpoint"]),
    ("session", &["engine", "plan", "lang", "catalog", "types", "diagnostic", "progress", "checkpoint"]),
    ("feed", &["engine", "session", "diagnostic"]),
    ("tui", &["progress", "session", "diagnostic"]),
    ("repl", &["session", "tui", "feed", "engine", "plan", "lang", "catalog", "types", "diagnostic", "progress"]),
];

/// Lines of code, `#[cfg(test)]` modules at the end of a file and comments left out.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let end = text.find("\n#[cfg(test)]\nmod ").unwrap_or(text.len());
    text[..end].lines().filter(|l| !l.trim_start().starts_with("//"))
}

#[test]
fn every_file_says_what_it_is_for() {
    let mut files = Vec::new();
    for dir in ["src", "tests", "benches"] {
        rust_files(&root().join(dir), &mut files);
    }
    for path in files {
        let text = fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//!") || first.contains("include_str!"), "{} opens without a `//!` header", path.display());
    }
}

#[test]
fn imports_point_down() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let own = layer(&path);
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == own) else { continue };
        for line in code(&text) {
            for (at, _) in line.match_indices("crate::") {
                let used: String = line[at + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let known = MAY_USE.iter().any(|(name, _)| *name == used);
                if known && used != own && !allowed.contains(&used.as_str()) {
                    wrong.push(format!("src/{path}: {own} may not use {used}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn heavy_dependencies_have_one_home() {
    let homes: &[(&str, &[&str])] = &[
        ("nom::", &["lang"]),
        ("polars", &["engine"]),
        ("lsm_tree::", &["engine"]),
        ("rustyline::", &["repl"]),
        ("ratatui::", &["tui"]),
        ("crossterm::", &["tui"]),
        ("clap::", &["cli", "main"]),
    ];
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (name, allowed) in homes {
            let uses = |l: &str| l.trim_start().starts_with(&format!("use {name}")) || l.contains(&format!(" {name}::")) && name.len() > 6;
            if !allowed.contains(&layer(&path)) && code(&text).any(uses) {
                wrong.push(format!("src/{path} uses {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_main_file_stays_small() {
    let lines = fs::read_to_string(root().join("src/main.rs")).unwrap().lines().count();
    assert!(lines < 80, "src/main.rs has {lines} lines");
}

#[test]
fn documents_name_files_that_exist() {
    let mut missing = Vec::new();
    for document in ["README.md", "src/architecture.md", "CHANGELOG.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for word in text.split(['`', ' ', '(', ')', '\n', ',']) {
            let path = word.trim_end_matches(['.', ':', ';']);
            let looks_like_path =
                path.contains('/') && ["src/", "tests/", "samples/", "benches/", "grammar/", ".ci/"].iter().any(|p| path.starts_with(p));
            if looks_like_path && !path.contains(['*', '{', '<', '…']) && !root().join(path).exists() {
                missing.push(format!("{document} names {path}"));
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
