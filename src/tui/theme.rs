//! Which style carries which meaning. Colour only ever says: changed, new, good, warning, failure, selected.
//!
//! Only the terminal's own sixteen colours are used, and no background, so that every palette stays readable.

use ratatui::style::{Color, Modifier, Style};

use crate::progress::Mood;

/// What a piece of the screen means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Text,
    /// Beside the point: frames, units, older batches.
    Dim,
    Title,
    /// A cell that differs from the batch before.
    Changed,
    /// A row that was not there before.
    New,
    Good,
    Warning,
    Failure,
    Selected,
    /// The key in a key hint.
    Key,
}

/// A set of styles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Theme {
    /// For light text on a dark ground.
    #[default]
    Dark,
    /// For dark text on a light ground: no yellow, no bright colours.
    Light,
    /// No colour at all; weight and marks say everything.
    Plain,
}

impl Theme {
    /// The theme that the environment asks for: a `NO_COLOR` that is not empty switches colour off.
    pub fn choose(no_color: Option<&str>) -> Theme {
        match no_color {
            Some(value) if !value.is_empty() => Theme::Plain,
            _ => Theme::Dark,
        }
    }

    /// The theme after this one, for the key that walks through them.
    #[must_use]
    pub fn next(self) -> Theme {
        match self {
            Theme::Dark => Theme::Light,
            Theme::Light => Theme::Plain,
            Theme::Plain => Theme::Dark,
        }
    }

    /// As `.theme` spells it.
    pub fn name(self) -> &'static str {
        match self {
            Theme::Dark => "dark",
            Theme::Light => "light",
            Theme::Plain => "plain",
        }
    }

    /// The style of a role.
    pub fn style(self, role: Role) -> Style {
        let weight = match role {
            Role::Text => Style::new(),
            Role::Dim => Style::new().add_modifier(Modifier::DIM),
            Role::Selected => Style::new().add_modifier(Modifier::REVERSED),
            Role::Good => Style::new(),
            Role::Title | Role::Changed | Role::New | Role::Warning | Role::Failure | Role::Key => {
                Style::new().add_modifier(Modifier::BOLD)
            }
        };
        match self.colour(role) {
            Some(colour) => weight.fg(colour),
            None => weight,
        }
    }

    /// The style of a sentence in that mood.
    pub fn mood(self, mood: Mood) -> Style {
        self.style(match mood {
            Mood::Good => Role::Good,
            Mood::Waiting => Role::Text,
            Mood::Warning => Role::Warning,
            Mood::Failure => Role::Failure,
        })
    }

    fn colour(self, role: Role) -> Option<Color> {
        match (self, role) {
            (Theme::Plain, _) | (_, Role::Text | Role::Dim | Role::Title | Role::Selected | Role::Key) => None,
            (Theme::Dark, Role::Changed) => Some(Color::Cyan),
            (Theme::Light, Role::Changed) => Some(Color::Blue),
            (_, Role::New | Role::Good) => Some(Color::Green),
            (Theme::Dark, Role::Warning) => Some(Color::Yellow),
            (Theme::Light, Role::Warning) => Some(Color::Magenta),
            (_, Role::Failure) => Some(Color::Red),
        }
    }
}

/// The mark that stands before a sentence, so that its mood reads without colour.
pub(super) fn mood_mark(mood: Mood) -> &'static str {
    match mood {
        Mood::Good => "✓",
        Mood::Waiting => "…",
        Mood::Warning => "!",
        Mood::Failure => "✗",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_switches_colour_off() {
        assert_eq!(Theme::choose(None), Theme::Dark);
        assert_eq!(Theme::choose(Some("")), Theme::Dark);
        assert_eq!(Theme::choose(Some("1")), Theme::Plain);
    }

    #[test]
    fn the_plain_theme_has_no_colour() {
        for role in [Role::Text, Role::Dim, Role::Changed, Role::New, Role::Good, Role::Warning, Role::Failure, Role::Selected] {
            assert_eq!(Theme::Plain.style(role).fg, None);
            assert_eq!(Theme::Plain.style(role).bg, None);
        }
    }
}
