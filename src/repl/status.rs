//! The line above the prompt while queries run.

use crate::progress::{QuerySnapshot, QueryState};
use crate::session::{Queries, is_over};

/// `  ● counts  batch 41  12.5k/s  38 ms`, one line a query; empty while none runs. A query that failed since the
/// last prompt is told once more by `failures`.
pub(super) fn lines(queries: &Queries) -> String {
    queries.running().iter().map(|e| line(e.name.as_deref().unwrap_or_default(), &e.handle.snapshot())).collect()
}

/// Sentences about queries that ended by an error and were not told of yet; `told` remembers them.
pub(super) fn failures(queries: &Queries, told: &mut Vec<String>) -> String {
    let mut out = String::new();
    for entry in queries.named().iter().filter(|e| is_over(e)) {
        let snapshot = entry.handle.snapshot();
        if let QueryState::Failed(message) = &snapshot.state
            && !told.contains(&snapshot.run_id)
        {
            told.push(snapshot.run_id.clone());
            out.push_str(&format!(
                "  ! {} failed: {}\n",
                entry.name.as_deref().unwrap_or("the query"),
                crate::diagnostic::printable(message)
            ));
        }
    }
    out
}

fn line(name: &str, snapshot: &QuerySnapshot) -> String {
    let mark = match snapshot.state {
        QueryState::Paused => "‖",
        QueryState::Failed(_) => "!",
        _ => "●",
    };
    let Some(last) = snapshot.progress.back() else {
        return format!("  {mark} {name}  {}\n", crate::diagnostic::printable(&snapshot.why.sentence));
    };
    let millis = last.duration_ms.trigger_execution;
    format!("  {mark} {name}  batch {}  {}  {}\n", last.batch_id, rate(last.input_rows_per_second), time(millis))
}

/// `12.5k/s`
fn rate(per_second: f64) -> String {
    match per_second {
        r if r >= 1e6 => format!("{:.1}M/s", r / 1e6),
        r if r >= 1e3 => format!("{:.1}k/s", r / 1e3),
        r => format!("{r:.0}/s"),
    }
}

/// `38 ms`, `1.2 s`
fn time(millis: f64) -> String {
    match millis {
        m if m >= 1e3 => format!("{:.1} s", m / 1e3),
        m if m >= 10.0 => format!("{m:.0} ms"),
        m => format!("{m:.1} ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(rate(12_480.0), "12.5k/s");
        assert_eq!(rate(3.4), "3/s");
        assert_eq!(rate(1_200_000.0), "1.2M/s");
        assert_eq!(time(38.2), "38 ms");
        assert_eq!(time(0.42), "0.4 ms");
        assert_eq!(time(1234.0), "1.2 s");
    }
}
