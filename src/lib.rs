#![doc = include_str!("architecture.md")]

pub mod diagnostic;
pub mod types;

pub mod lang;

pub mod catalog;
pub mod plan;

pub mod checkpoint;
pub mod engine;
pub mod progress;

pub mod session;

pub mod feed;
pub mod repl;
pub mod tui;

pub mod cli;
