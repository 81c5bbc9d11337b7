//! The one table of keys: what a key does where, what the hint bar says, and what help says.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The panels, in the order of their digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Panel {
    Result,
    Progress,
    Flow,
    Time,
    Plan,
    Log,
}

impl Panel {
    /// All of them, in the order of their digits.
    pub const ALL: [Panel; 6] = [Panel::Result, Panel::Progress, Panel::Flow, Panel::Time, Panel::Plan, Panel::Log];

    /// The digit that opens it.
    pub fn number(self) -> usize {
        Panel::ALL.iter().position(|p| *p == self).map_or(1, |at| at + 1)
    }

    /// Its name in the hint bar.
    pub fn name(self) -> &'static str {
        match self {
            Panel::Result => "result",
            Panel::Progress => "progress",
            Panel::Flow => "flow",
            Panel::Time => "time",
            Panel::Plan => "plan",
            Panel::Log => "log",
        }
    }
}

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Show(Panel),
    NextQuery,
    PreviousQuery,
    QueryList,
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
    Older,
    Newer,
    Left,
    Right,
    Open,
    Filter,
    Freeze,
    ChangedFirst,
    Pause,
    Stop,
    Help,
    Theme,
    Redraw,
    Suspend,
    /// Close one layer.
    Back,
    Quit,
    Interrupt,
    /// Yes, in a question.
    Confirm,
    /// In a line being typed: keep it, erase a character, erase all.
    Keep,
    Erase,
    EraseAll,
}

/// Where the keys go at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    /// Panel 1.
    Result,
    /// Panel 4.
    Time,
    /// The other panels.
    Text,
    /// The list of queries.
    List,
    /// Help or an opened row.
    Popup,
    /// A question.
    Confirm,
    /// The filter being typed.
    Typing,
}

/// A key, whatever the keyboard's layout made of Shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    code: KeyCode,
    ctrl: bool,
}

impl Key {
    const fn plain(code: KeyCode) -> Key {
        Key { code, ctrl: false }
    }

    const fn char(c: char) -> Key {
        Key::plain(KeyCode::Char(c))
    }

    const fn ctrl(c: char) -> Key {
        Key { code: KeyCode::Char(c), ctrl: true }
    }

    /// The key as people write it: `Ctrl-C`, `PgUp`, `←`.
    pub(super) fn label(self) -> String {
        let name = match self.code {
            KeyCode::Char(' ') => "Space".to_owned(),
            KeyCode::Char(c) if self.ctrl => c.to_ascii_uppercase().to_string(),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::Left => "←".to_owned(),
            KeyCode::Right => "→".to_owned(),
            KeyCode::Up => "↑".to_owned(),
            KeyCode::Down => "↓".to_owned(),
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::PageDown => "PgDn".to_owned(),
            KeyCode::BackTab => "Shift-Tab".to_owned(),
            KeyCode::F(n) => format!("F{n}"),
            other => other.to_string(),
        };
        if self.ctrl { format!("Ctrl-{name}") } else { name }
    }

    fn is(self, event: &KeyEvent) -> bool {
        let ctrl = event.modifiers.contains(KeyModifiers::CONTROL);
        let alt = event.modifiers.contains(KeyModifiers::ALT);
        self.code == event.code && self.ctrl == ctrl && !alt
    }
}

/// The headings of help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    Look,
    Move,
    Result,
    Query,
    Leave,
}

impl Group {
    /// All of them, in the order that help shows them.
    pub(super) const ALL: [Group; 5] = [Group::Look, Group::Result, Group::Move, Group::Query, Group::Leave];

    /// The heading.
    pub(super) fn title(self) -> &'static str {
        match self {
            Group::Look => "Panels",
            Group::Move => "Moving",
            Group::Result => "Result",
            Group::Query => "Queries",
            Group::Leave => "Leaving",
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Binding {
    pub action: Action,
    pub keys: &'static [Key],
    pub scopes: &'static [Scope],
    pub group: Group,
    /// The word in the hint bar; empty: help only.
    pub hint: &'static str,
    /// The line in help; empty: a variation of the row before.
    pub help: &'static str,
}

const PANELS: &[Scope] = &[Scope::Result, Scope::Time, Scope::Text];
const RESULT: &[Scope] = &[Scope::Result];
const MOVING: &[Scope] = &[Scope::Result, Scope::Time, Scope::Text, Scope::List, Scope::Popup];
const ANYWHERE: &[Scope] = &[Scope::Result, Scope::Time, Scope::Text, Scope::List, Scope::Popup, Scope::Confirm, Scope::Typing];
const LAYERS: &[Scope] = &[Scope::List, Scope::Popup];
const TYPING: &[Scope] = &[Scope::Typing];

const fn bind(
    action: Action,
    keys: &'static [Key],
    scopes: &'static [Scope],
    group: Group,
    hint: &'static str,
    help: &'static str,
) -> Binding {
    Binding { action, keys, scopes, group, hint, help }
}

/// Every binding. The first that matches key and scope counts; the hint bar keeps this order.
#[rustfmt::skip]
pub(super) const BINDINGS: &[Binding] = &[
    bind(Action::Show(Panel::Result), &[Key::char('1')], PANELS, Group::Look, "", "the rows of the last batches"),
    bind(Action::Show(Panel::Progress), &[Key::char('2')], PANELS, Group::Look, "", "rates, batch times and where they went"),
    bind(Action::Show(Panel::Flow), &[Key::char('3')], PANELS, Group::Look, "", "source, buffer and steps: what is the slowest"),
    bind(Action::Show(Panel::Time), &[Key::char('4')], PANELS, Group::Look, "", "watermark, event times and state"),
    bind(Action::Show(Panel::Plan), &[Key::char('5')], PANELS, Group::Look, "", "the plan, as EXPLAIN prints it"),
    bind(Action::Show(Panel::Log), &[Key::char('6')], PANELS, Group::Look, "", "what happened to the query"),
    bind(Action::Confirm, &[Key::char('y'), Key::char('s'), Key::plain(KeyCode::Enter)], &[Scope::Confirm], Group::Query, "stop", ""),
    bind(Action::Back, &[Key::char('n'), Key::char('q'), Key::plain(KeyCode::Esc)], &[Scope::Confirm], Group::Query, "no", ""),
    bind(Action::Filter, &[Key::char('/')], RESULT, Group::Result, "filter", "show only rows that contain a text"),
    bind(Action::Freeze, &[Key::char('f')], RESULT, Group::Result, "freeze", "hold this result still; batches go on and are counted"),
    bind(Action::Older, &[Key::plain(KeyCode::Left)], RESULT, Group::Result, "", "the batch before"),
    bind(Action::Newer, &[Key::plain(KeyCode::Right)], RESULT, Group::Result, "", "the batch after"),
    bind(Action::ChangedFirst, &[Key::char('c')], RESULT, Group::Result, "", "changed rows first, or the result's own order"),
    bind(Action::Open, &[Key::plain(KeyCode::Enter)], RESULT, Group::Result, "", "open the row: every column, exact values"),
    bind(Action::Open, &[Key::plain(KeyCode::Enter)], &[Scope::Time], Group::Look, "late rows", "in panel 4: the late rows, one by one, and why"),
    bind(Action::Left, &[Key::char('h')], RESULT, Group::Result, "", "columns to the left"),
    bind(Action::Right, &[Key::char('l')], RESULT, Group::Result, "", "columns to the right"),
    bind(Action::Open, &[Key::plain(KeyCode::Enter)], &[Scope::List], Group::Query, "show", ""),
    bind(Action::Up, &[Key::char('k'), Key::plain(KeyCode::Up)], MOVING, Group::Move, "", "up a line"),
    bind(Action::Down, &[Key::char('j'), Key::plain(KeyCode::Down)], MOVING, Group::Move, "", "down a line"),
    bind(Action::PageUp, &[Key::plain(KeyCode::PageUp), Key::ctrl('u'), Key::ctrl('b')], MOVING, Group::Move, "", "up a page"),
    bind(Action::PageDown, &[Key::plain(KeyCode::PageDown), Key::ctrl('d'), Key::ctrl('f')], MOVING, Group::Move, "", "down a page"),
    bind(Action::First, &[Key::char('g'), Key::plain(KeyCode::Home)], MOVING, Group::Move, "", "the first line"),
    bind(Action::Last, &[Key::char('G'), Key::plain(KeyCode::End)], MOVING, Group::Move, "", "the last line"),
    bind(Action::Pause, &[Key::char('p')], PANELS, Group::Query, "pause", "pause the query, or go on"),
    bind(Action::Stop, &[Key::char('s')], PANELS, Group::Query, "stop", "stop the query, after asking"),
    bind(Action::QueryList, &[Key::plain(KeyCode::Tab)], PANELS, Group::Query, "", "the list of queries"),
    bind(Action::Down, &[Key::plain(KeyCode::Tab)], &[Scope::List], Group::Query, "", ""),
    bind(Action::Up, &[Key::plain(KeyCode::BackTab)], &[Scope::List], Group::Query, "", ""),
    bind(Action::NextQuery, &[Key::char(']')], PANELS, Group::Query, "", "the next query"),
    bind(Action::PreviousQuery, &[Key::char('[')], PANELS, Group::Query, "", "the query before"),
    bind(Action::Help, &[Key::char('?'), Key::plain(KeyCode::F(1))], PANELS, Group::Leave, "help", "these keys"),
    bind(Action::Back, &[Key::char('?'), Key::plain(KeyCode::F(1))], &[Scope::Popup], Group::Leave, "", ""),
    bind(Action::Theme, &[Key::char('t')], PANELS, Group::Look, "", "colours for a dark ground, a light one, none"),
    bind(Action::Keep, &[Key::plain(KeyCode::Enter)], TYPING, Group::Result, "keep", ""),
    bind(Action::Back, &[Key::plain(KeyCode::Esc)], TYPING, Group::Result, "clear", ""),
    bind(Action::Erase, &[Key::plain(KeyCode::Backspace), Key::ctrl('h')], TYPING, Group::Result, "", ""),
    bind(Action::EraseAll, &[Key::ctrl('u')], TYPING, Group::Result, "", ""),
    bind(Action::Back, &[Key::plain(KeyCode::Esc)], PANELS, Group::Leave, "", "close what is open, step by step back to the live result"),
    bind(Action::Back, &[Key::plain(KeyCode::Esc), Key::char('q')], LAYERS, Group::Leave, "close", ""),
    bind(Action::Quit, &[Key::char('q')], PANELS, Group::Leave, "back", "back to the prompt; started queries go on"),
    bind(Action::Interrupt, &[Key::ctrl('c')], ANYWHERE, Group::Leave, "", "end a preview at once; leave"),
    bind(Action::Redraw, &[Key::ctrl('l')], ANYWHERE, Group::Leave, "", "draw the screen anew"),
    bind(Action::Suspend, &[Key::ctrl('z')], ANYWHERE, Group::Leave, "", "suspend to the shell"),
];

/// What `event` asks for in `scope`.
pub(super) fn action(event: &KeyEvent, scope: Scope) -> Option<Action> {
    BINDINGS.iter().find(|b| b.scopes.contains(&scope) && b.keys.iter().any(|k| k.is(event))).map(|b| b.action)
}

/// What the hint bar can say in `scope`: key and word, in the table's order.
pub(super) fn hints(scope: Scope) -> impl Iterator<Item = (String, &'static str)> {
    BINDINGS.iter().filter(move |b| !b.hint.is_empty() && b.scopes.contains(&scope)).map(|b| (b.keys[0].label(), b.hint))
}

/// The lines of help under `group`: keys and what they do.
pub(super) fn help(group: Group) -> impl Iterator<Item = (String, &'static str)> {
    BINDINGS.iter().filter(move |b| b.group == group && !b.help.is_empty()).map(|b| {
        let keys: Vec<String> = b.keys.iter().map(|k| k.label()).collect();
        (keys.join(" "), b.help)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things_in_a_scope() {
        for (at, binding) in BINDINGS.iter().enumerate() {
            for scope in binding.scopes {
                for key in binding.keys {
                    let other = BINDINGS[..at].iter().find(|b| b.scopes.contains(scope) && b.keys.contains(key));
                    let same = other.is_none_or(|b| b.action == binding.action);
                    assert!(same, "{} in {scope:?}: {:?} and {:?}", key.label(), binding.action, other.map(|b| b.action));
                }
            }
        }
    }

    #[test]
    fn shift_does_not_matter_and_control_does() {
        let key = |c, modifiers| KeyEvent::new(KeyCode::Char(c), modifiers);
        assert_eq!(action(&key('G', KeyModifiers::SHIFT), Scope::Result), Some(Action::Last));
        assert_eq!(action(&key('?', KeyModifiers::SHIFT), Scope::Text), Some(Action::Help));
        assert_eq!(action(&key('c', KeyModifiers::CONTROL), Scope::Typing), Some(Action::Interrupt));
        assert_eq!(action(&key('c', KeyModifiers::NONE), Scope::Typing), None);
        assert_eq!(action(&key('q', KeyModifiers::ALT), Scope::Result), None);
    }

    #[test]
    fn every_row_stands_in_help_or_varies_one_that_does() {
        for binding in BINDINGS {
            let explained = !binding.help.is_empty()
                || !binding.hint.is_empty()
                || BINDINGS.iter().any(|b| b.action == binding.action && (!b.help.is_empty() || !b.hint.is_empty()))
                || binding.scopes == TYPING;
            assert!(explained, "{:?}", binding.action);
        }
    }
}
