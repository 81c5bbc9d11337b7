//! The one test binary: a module per subject.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod aggregate;
mod analysis;
mod cli;
mod decode_csv;
mod decode_json;
mod decode_schema;
mod engine;
mod eval;
mod eval_spark;
mod feed;
mod files;
mod functions;
mod grammar;
mod headless;
mod lang;
mod lang_nesting;
mod pty;
mod query_tables;
mod queue;
mod rate;
mod render_json;
mod session_run;
mod session_samples;
mod session_scripts;
mod socket;
mod spark;
mod stateful;
mod streams;
mod tables;
mod tidy;
mod tui_keys;
mod tui_query;
mod tui_screens;
mod tui_terminal;
mod wal;
