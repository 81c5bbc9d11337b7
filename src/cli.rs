//! The command line: its words, its help, and what they ask for.

use crate::engine::sink::console::Format;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Streams in Spark SQL, at a prompt.
///
/// Without a command: the prompt on a terminal, else a script from standard input.
#[derive(Debug, Parser)]
#[command(name = "eddy", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// Run these statements and end; standard input is data for USING stdin.
    #[arg(short = 'c', value_name = "SQL")]
    pub command: Option<String>,
    #[command(flatten)]
    pub run: RunOptions,
    #[command(subcommand)]
    pub mode: Option<Mode>,
}

impl Cli {
    /// The arguments of this process; ends it with a message and status 2 where they are wrong.
    pub fn of_process() -> Cli {
        Cli::parse()
    }

    /// Ends the program with status 2 where something was asked for that the prompt does not do.
    pub fn check_prompt(&self) {
        if self.run.keep_going || self.run.format != FormatChoice::Table {
            let message = "--format and --keep-going are for scripts: give a FILE, -c, or a script on standard input";
            Cli::command().error(clap::error::ErrorKind::ArgumentConflict, message).exit();
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Mode {
    /// Run a script and end.
    Run {
        /// The script; `-` reads it from standard input.
        file: PathBuf,
        #[command(flatten)]
        options: RunOptions,
    },
    /// Count words that come over a real socket, with nothing else needed.
    Demo {
        /// Lines a second of the made-up feed.
        #[arg(long, value_name = "LINES", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        rate: u32,
        #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto, help = COLOR_HELP)]
        color: ColorChoice,
    },
}

const COLOR_HELP: &str = "Colour in messages and at the prompt";

/// How a script runs and what its output looks like.
#[derive(Args, Clone, Debug)]
pub struct RunOptions {
    /// How rows are written to standard output.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = FormatChoice::Table)]
    pub format: FormatChoice,
    /// Go on after a statement that failed; the exit status is still 1.
    #[arg(long)]
    pub keep_going: bool,
    /// A value for `:name` in the statements; may be given several times.
    #[arg(long = "arg", value_name = "NAME=VALUE", value_parser = parse_arg)]
    pub args: Vec<(String, String)>,
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = ColorChoice::Auto, help = COLOR_HELP)]
    pub color: ColorChoice,
}

/// `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatChoice {
    /// Boxes for people.
    Table,
    /// One JSON object a batch, one a line.
    Ndjson,
    /// Comma-separated values with a header.
    Csv,
}

impl From<FormatChoice> for Format {
    fn from(choice: FormatChoice) -> Format {
        match choice {
            FormatChoice::Table => Format::Table,
            FormatChoice::Ndjson => Format::Ndjson,
            FormatChoice::Csv => Format::Csv,
        }
    }
}

/// `--color`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless the environment says otherwise.
    Auto,
    Always,
    Never,
}

/// The variables that programs take their colours from; `None` where one is not set.
#[derive(Clone, Debug, Default)]
pub struct ColorEnvironment {
    pub no_color: Option<String>,
    pub clicolor_force: Option<String>,
    pub force_color: Option<String>,
    pub term: Option<String>,
}

impl ColorEnvironment {
    /// Those of this process.
    pub fn of_process() -> ColorEnvironment {
        let read = |name: &str| std::env::var(name).ok();
        ColorEnvironment {
            no_color: read("NO_COLOR"),
            clicolor_force: read("CLICOLOR_FORCE"),
            force_color: read("FORCE_COLOR"),
            term: read("TERM"),
        }
    }
}

/// Whether to colour: the flag wins, then `NO_COLOR`, then what forces colour, then whether it is a terminal.
pub fn use_color(choice: ColorChoice, environment: &ColorEnvironment, is_terminal: bool) -> bool {
    let set = |value: &Option<String>| value.as_deref().is_some_and(|v| !v.is_empty());
    let forced = |value: &Option<String>| set(value) && value.as_deref() != Some("0");
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto if set(&environment.no_color) => false,
        ColorChoice::Auto if forced(&environment.clicolor_force) || forced(&environment.force_color) => true,
        ColorChoice::Auto => is_terminal && environment.term.as_deref() != Some("dumb"),
    }
}

/// `name=value`; the name is one that `:name` can spell.
fn parse_arg(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    let is_name =
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_name { Ok((name.to_string(), value.to_string())) } else { Err(format!("`{name}` is no name that :name can spell")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_wins_then_no_color_then_force_then_the_terminal() {
        let env = |no: &str, force: &str| ColorEnvironment {
            no_color: Some(no.to_string()),
            clicolor_force: Some(force.to_string()),
            ..ColorEnvironment::default()
        };
        assert!(use_color(ColorChoice::Always, &env("1", ""), false));
        assert!(!use_color(ColorChoice::Never, &env("", "1"), true));
        assert!(!use_color(ColorChoice::Auto, &env("1", "1"), true));
        assert!(use_color(ColorChoice::Auto, &env("", "1"), false));
        assert!(!use_color(ColorChoice::Auto, &env("", "0"), false));
        assert!(use_color(ColorChoice::Auto, &ColorEnvironment::default(), true));
        assert!(!use_color(ColorChoice::Auto, &ColorEnvironment::default(), false));
        let dumb = ColorEnvironment { term: Some("dumb".to_string()), ..ColorEnvironment::default() };
        assert!(!use_color(ColorChoice::Auto, &dumb, true));
    }

    #[test]
    fn arguments_are_names_and_values() {
        assert_eq!(parse_arg("day=a=b"), Ok(("day".to_string(), "a=b".to_string())));
        assert!(parse_arg("day").is_err());
        assert!(parse_arg("1x=2").is_err());
    }

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
