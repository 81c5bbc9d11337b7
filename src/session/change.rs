//! CRASH, RESUME of a query that has ended, and ALTER QUERY.

use super::{Outcome, STOP_PATIENCE, Session, is_over};
use crate::diagnostic::Diagnostic;
use crate::engine::query::CrashPoint;
use crate::engine::state_schema;
use crate::lang::ast::{CrashAfter, Ident, Query, StreamingQuery, Target};
use crate::session::Entry;
use crate::types::quote_if_needed;

impl Session {
    /// CRASH: the query ends as by a kill, within its next batch.
    pub(super) fn crash(&mut self, name: &Ident, after: Option<CrashAfter>) -> Result<Outcome, Diagnostic> {
        let entry = self.started(name)?;
        let quoted = quote_if_needed(&name.name);
        if is_over(&entry) {
            return Err(Diagnostic::error(format!("the query `{}` does not run", name.name)).at(name.span).label("ended already"));
        }
        if !entry.handle.has_checkpoint() {
            return Err(Diagnostic::error(format!("`{}` has no checkpoint: a crash would lose its state for good", name.name))
                .at(name.span)
                .note(format!("do: START {quoted} AS … CHECKPOINT 'directory', and CRASH that")));
        }
        let (point, text) = match after {
            None => (CrashPoint::Now, "ends now, as by a kill"),
            Some(CrashAfter::Offsets) => (CrashPoint::Offsets, "ends as by a kill after the offsets of its next batch are logged"),
            Some(CrashAfter::Sink) => (CrashPoint::Sink, "ends as by a kill after its next batch is in the sink"),
            Some(CrashAfter::State) => (CrashPoint::State, "ends as by a kill after its next batch's state is written"),
        };
        entry.handle.crash(point);
        let mut note = format!("{} · {text}", name.name);
        // What is asked for now happens at once, unless a long batch is under way.
        if entry.handle.wait(Some(if after.is_none() { STOP_PATIENCE } else { CRASH_PATIENCE })).is_some() {
            note = format!("{} · {}: RESUME {quoted} shows the recovery", name.name, ending(&entry));
        }
        Ok(Outcome::note(note))
    }

    /// RESUME of a query that failed, or that CRASH ended: it goes on from where it stood, or from its checkpoint.
    pub(super) fn resume_ended(&mut self, entry: &Entry, target: &Target) -> Result<Vec<String>, Diagnostic> {
        let name = entry.name.as_deref().unwrap_or("the query");
        let at = |e: Diagnostic| if let Target::Named(ident) = target { e.at(ident.span) } else { e };
        if entry.handle.can_resume() {
            entry.handle.resume().map_err(|e| at(Diagnostic::from(e)))?;
            return Ok(vec![format!("{name} · runs again from where it stood")]);
        }
        if !entry.handle.has_checkpoint() {
            let again = "without a CHECKPOINT nothing is left to go on from: START it again, and it reads from the start";
            return Ok(vec![format!("{name} · ended already; {again}")]);
        }
        let outcome = self.query((*entry.definition).clone()).map_err(at)?;
        Ok(outcome.notes)
    }

    /// ALTER QUERY: the same sink and clauses with another query, from the same offsets, with the state that fits.
    pub(super) fn alter_query(&mut self, name: &Ident, query: Query) -> Result<Outcome, Diagnostic> {
        let entry = self.started(name)?;
        let definition = StreamingQuery { query, ..(*entry.definition).clone() };
        let analyzed = self.analyze_both(&definition.query)?;
        let plan = &analyzed.plan;
        if !plan.is_streaming() {
            return Err(Diagnostic::error("this query reads no stream, and the one that it would replace does").at(definition.query.span));
        }
        let (mode, _) = super::start::mode_of(&analyzed, definition.output_mode.as_ref(), &definition.query)?;
        let kept = self.kept_state(plan, mode)?;
        let before = entry.handle.kept_state();
        if let Some(how) = state_schema::difference(&before.operators, &kept.operators).or_else(|| before.other_sources(&kept)) {
            return Err(Diagnostic::error(format!("`{}` cannot go on as this query: {how}", name.name))
                .at(definition.query.span)
                .note("nothing was changed; a query with other state needs a name of its own"));
        }
        self.may_go_on_as(&definition, plan, mode)?;
        let survives = match kept.operators.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>()[..] {
            [] => "it keeps no state".to_string(),
            [one] => format!("the state of its {one} goes on"),
            ref several => format!("the state of {} goes on", several.join(" and ")),
        };
        let taken = match (is_over(&entry), entry.handle.has_checkpoint()) {
            (true, true) => None,
            (_, checkpoint) => match entry.handle.hand_over(STOP_PATIENCE) {
                None if !is_over(&entry) => {
                    let message = format!("`{}` is in a long batch and stops after it: try again then", name.name);
                    return Err(Diagnostic::error(message).at(name.span));
                }
                None if !checkpoint => {
                    let message = format!("`{}` has ended, and without a CHECKPOINT nothing is left of its state", name.name);
                    return Err(Diagnostic::error(message).at(name.span));
                }
                taken => taken,
            },
        };
        let mut outcome = self.start_streaming(definition, taken)?;
        outcome.notes.insert(0, format!("{} · altered: {survives}, from the same offsets", name.name));
        Ok(outcome)
    }
}

/// How long CRASH waits for a batch that may come at any moment.
const CRASH_PATIENCE: std::time::Duration = std::time::Duration::from_millis(300);

fn ending(entry: &Entry) -> String {
    match entry.handle.wait(None) {
        Some(Err(error)) => error.failure().message.clone(),
        _ => "ended".to_string(),
    }
}
