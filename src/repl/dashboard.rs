//! The seam to the dashboard: the session's queries as it sees them, and what is left of it in the scrollback.

use super::{Asked, say};
use crate::diagnostic::Diagnostic;
use crate::progress::QuerySnapshot;
use crate::session::Entry;
use crate::tui::{self, Effect, Options, Theme};

/// What a preview is called where queries go by names.
const PREVIEW: &str = "preview";

/// Shows `entries`, the one at `first` at the start, until the user leaves; prints the last table then.
///
/// # Errors
/// When the terminal cannot be taken over.
pub(super) fn open(entries: Vec<Entry>, first: usize, zone: chrono_tz::Tz, asked: &Asked) -> Result<(), Diagnostic> {
    let shown = Shown { entries, asked };
    let name = shown.entries.get(first).map_or(PREVIEW, label).to_string();
    let theme = Theme::choose(std::env::var("NO_COLOR").ok().as_deref());
    let left = tui::run(&shown, &name, Options { zone, theme })
        .map_err(|e| Diagnostic::error(format!("the dashboard cannot be shown: {e}")).note("see: eddy run prints batches as tables"))?;
    say(&left.last_table);
    Ok(())
}

struct Shown<'a> {
    entries: Vec<Entry>,
    asked: &'a Asked,
}

impl Shown<'_> {
    fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|e| label(e) == name)
    }
}

impl tui::Queries for Shown<'_> {
    fn names(&self) -> Vec<String> {
        self.entries.iter().map(|e| label(e).to_string()).collect()
    }

    fn snapshot(&self, name: &str) -> Option<QuerySnapshot> {
        self.get(name).map(|e| e.handle.snapshot())
    }

    fn perform(&self, effect: Effect) -> Result<(), String> {
        let (Effect::Pause(name) | Effect::Resume(name) | Effect::Stop(name)) = &effect else { return Ok(()) };
        let entry = self.get(name).ok_or_else(|| format!("there is no query {name}"))?;
        match effect {
            Effect::Pause(_) => entry.handle.pause(),
            Effect::Resume(_) => entry.handle.resume().map_err(|e| e.to_string())?,
            _ => entry.handle.stop(),
        }
        Ok(())
    }

    fn must_leave(&self) -> bool {
        self.asked.leaves()
    }
}

fn label(entry: &Entry) -> &str {
    entry.name.as_deref().unwrap_or(PREVIEW)
}
