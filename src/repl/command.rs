//! The prompt's own commands: a dot, a word, no `;`.

use super::complete::DOT_COMMANDS;
use super::help;
use crate::diagnostic::nearest;

/// What a dot command asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// Text to show.
    Say(String),
    /// The dashboard, of one query or of the newest.
    Dash(Option<String>),
    /// Show or hide how long statements take.
    Timing,
    Quit,
}

/// Reads a line that starts with a dot.
pub(super) fn parse(line: &str) -> Command {
    let line = line.trim().trim_end_matches(';').trim_end();
    let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    match word.to_lowercase().as_str() {
        ".help" | ".h" if rest.is_empty() => Command::Say(help::overview()),
        ".help" | ".h" => Command::Say(help::topic(rest)),
        ".dash" => Command::Dash((!rest.is_empty()).then(|| rest.trim_matches('`').to_string())),
        ".timing" => Command::Timing,
        ".demo" => Command::Say(DEMO.to_string()),
        ".quit" | ".exit" | ".q" => Command::Quit,
        other => {
            let near =
                nearest(other, DOT_COMMANDS.iter().copied()).map_or_else(|| DOT_COMMANDS.join(" "), |n| format!("did you mean {n}?"));
            Command::Say(format!("there is no command {}; {near}\n", crate::diagnostic::printable(other)))
        }
    }
}

const DEMO: &str = "\
In a shell, `eddy demo` counts words that come over a real socket. Here, without a data source:
  CREATE STREAM ticks USING rate OPTIONS (rowsPerSecond 10);
  SELECT value % 3 AS third, count(*) AS n FROM STREAM ticks GROUP BY value % 3 OUTPUT MODE complete;
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_need_no_semicolon_and_know_the_nearest() {
        assert_eq!(parse(".quit"), Command::Quit);
        assert_eq!(parse(".dash counts;"), Command::Dash(Some("counts".to_string())));
        assert_eq!(parse(".dash"), Command::Dash(None));
        assert_eq!(parse(".timing "), Command::Timing);
        assert_eq!(parse(".tining"), Command::Say("there is no command .tining; did you mean .timing?\n".to_string()));
        assert!(matches!(parse(".help sinks"), Command::Say(text) if text.contains("noop")));
    }
}
