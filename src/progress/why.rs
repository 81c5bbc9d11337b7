//! The sentence that is always there: what the query is doing, and above all why nothing came out.

use super::pressure::{self, duration, pressure};
use super::{BatchProgress, Connection, Mood, OutputMode, QueryState, SourceStatus, StateOperatorProgress, Trigger, Why, WindowGroups};

/// What is known at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The query's name; empty when it has none.
    pub name: &'a str,
    pub state: &'a QueryState,
    pub mode: OutputMode,
    pub trigger: Trigger,
    pub sources: &'a [SourceStatus],
    /// The last batch.
    pub last: Option<&'a BatchProgress>,
    /// The last batch that had rows.
    pub last_with_rows: Option<&'a BatchProgress>,
    /// Microseconds until the trigger's time.
    pub next_trigger: Option<i64>,
    /// Whether groups come out only when the watermark has passed them.
    pub waits_for_watermark: bool,
    /// What failed for a while and is tried again.
    pub trouble: Option<&'a str>,
    /// The session's time zone: clocks are shown in it.
    pub zone: chrono_tz::Tz,
    /// The delay of the WATERMARK that is furthest behind, in microseconds.
    pub delay: Option<i64>,
}

/// Chooses the sentence.
pub fn why(facts: &Facts<'_>) -> Why {
    match facts.state {
        QueryState::Failed(message) => return say(Mood::Failure, format!("failed: {message}")),
        QueryState::Paused => return say(Mood::Waiting, "paused: no batch runs until it is resumed"),
        QueryState::Stopped => return say(Mood::Good, ended(facts)),
        _ => {}
    }
    if let Some(trouble) = facts.trouble {
        return say(Mood::Warning, trouble);
    }
    if let Some(trouble) = facts.sources.iter().find_map(unreachable) {
        return say(Mood::Warning, trouble);
    }
    let Some(last) = facts.last_with_rows else { return nothing_yet(facts) };
    if let Some(source) = facts.sources.iter().find(|s| s.connection == Connection::PeerClosed) {
        return say(Mood::Warning, format!("the peer of {} closed the connection; trying again", source.stream));
    }
    let newest = facts.last.unwrap_or(last);
    if newest.sink.num_output_rows == 0
        && let Some(reason) = empty(facts, newest, last)
    {
        return reason;
    }
    if *facts.state == QueryState::WaitingForData {
        let sentence = format!("waits for data; batch {} gave {}", newest.batch_id, rows(newest.sink.num_output_rows));
        let sentence = replayed(facts).map_or(sentence.clone(), |replayed| format!("{replayed}; {sentence}"));
        return match facts.sources.iter().find(|s| s.bad_rows + s.oversized_rows > 0) {
            Some(source) => say(Mood::Warning, format!("{sentence}; {}", undecodable(source, facts))),
            None => say(Mood::Good, sentence),
        };
    }
    let found = pressure(&pressure::Facts { trigger: facts.trigger, last, sources: facts.sources });
    let mood = if found.keeps_up() { Mood::Good } else { Mood::Warning };
    let sentence = found.sentence();
    match on_disk(newest).filter(|_| mood == Mood::Warning) {
        Some(disk) => say(mood, format!("{sentence}; {disk}")),
        None => say(mood, sentence),
    }
}

/// How much of the state a batch has to look for on disk.
fn on_disk(batch: &BatchProgress) -> Option<String> {
    let disk: u64 = batch.state_operators.iter().filter_map(|o| o.disk).map(|d| d.rows).sum();
    let all: u64 = batch.state_operators.iter().map(|o| o.num_rows_total).sum();
    let text =
        || format!("{} of {} rows of state are on disk, a larger maxMemoryUsageMB keeps more in memory", grouped(disk), grouped(all));
    (disk > 0).then(text)
}

fn say(mood: Mood, sentence: impl Into<String>) -> Why {
    Why { mood, sentence: sentence.into() }
}

fn rows(n: u64) -> String {
    if n == 1 { "1 row".to_string() } else { format!("{n} rows") }
}

/// What a restart brought back, until something new came.
fn replayed(facts: &Facts<'_>) -> Option<String> {
    let source = facts.sources.iter().find(|s| s.replayed_rows > 0 && s.received_rows == 0)?;
    let lines = if source.replayed_rows == 1 { "1 line".to_string() } else { format!("{} lines", grouped(source.replayed_rows)) };
    Some(format!("replayed {lines} of {} from the write-ahead log", source.stream))
}

/// `1,204`
fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn ended(facts: &Facts<'_>) -> String {
    match facts.last {
        Some(last) => format!("ended after batch {}", last.batch_id),
        None => match facts.sources.first() {
            Some(source) => format!("ended: {} had no data", source.stream),
            None => "ended without a batch".to_string(),
        },
    }
}

/// A source that cannot be reached.
fn unreachable(source: &SourceStatus) -> Option<String> {
    let SourceStatus { stream, description, .. } = source;
    match &source.connection {
        Connection::Refused(reason) => Some(format!("no connection: nobody listens at {description} ({reason}); trying again")),
        Connection::Connecting(Some(reason)) => Some(format!("no connection to {description} yet ({reason}); trying again")),
        Connection::Connecting(None) => Some(format!("connecting to {description} for {stream}")),
        Connection::Listening(address) => Some(format!("no connection yet: {stream} waits for a client at {address}")),
        _ => None,
    }
}

fn nothing_yet(facts: &Facts<'_>) -> Why {
    if let Some(source) = facts.sources.iter().find(|s| s.bad_rows + s.oversized_rows > 0) {
        return say(Mood::Warning, undecodable(source, facts));
    }
    match facts.state {
        QueryState::Starting => say(Mood::Waiting, "starting"),
        QueryState::WaitingForTrigger => say(Mood::Waiting, waits_for_trigger(facts)),
        QueryState::Running => say(Mood::Waiting, "the first batch is running"),
        _ => match facts.sources.first() {
            Some(s) if s.connection == Connection::Connected => {
                say(Mood::Waiting, format!("connected to {}, and no line came yet", s.description))
            }
            Some(s) if s.connection == Connection::PeerClosed => {
                say(Mood::Warning, format!("the peer of {} closed the connection before it sent a line; trying again", s.stream))
            }
            Some(s) => say(Mood::Waiting, format!("no data yet from {}", s.description)),
            None => say(Mood::Waiting, "no data yet"),
        },
    }
}

fn waits_for_trigger(facts: &Facts<'_>) -> String {
    match facts.next_trigger {
        Some(micros) => format!("waits for its trigger: the next batch in {}", duration(micros.max(0) as f64 / 1e3)),
        None => "waits for its trigger".to_string(),
    }
}

fn undecodable(source: &SourceStatus, facts: &Facts<'_>) -> String {
    let mut text = match (source.bad_rows, source.oversized_rows) {
        (bad, 0) => format!("{bad} of {} lines of {} did not decode", source.received_rows.max(bad), source.stream),
        (0, long) => format!(
            "{} of {} over the line limit: dropped",
            if long == 1 { "1 line".into() } else { format!("{long} lines") },
            source.stream
        ),
        (bad, long) => format!("{bad} lines of {} did not decode, {long} were over the line limit", source.stream),
    };
    if let Some(sample) = &source.sample {
        text.push_str(&format!("; one of them: {sample}"));
    }
    if !facts.name.is_empty() {
        text.push_str(&format!("; bad_rows('{}') has them with the reason", facts.name));
    }
    text
}

/// Why the newest batch gave no row; `last` is the last one that took any in.
fn empty(facts: &Facts<'_>, newest: &BatchProgress, last: &BatchProgress) -> Option<Why> {
    if let Some(source) = facts.sources.iter().find(|s| s.received_rows > 0 && s.bad_rows >= s.received_rows) {
        return Some(say(Mood::Warning, undecodable(source, facts)));
    }
    if let Some(filter) = last.operators.iter().find(|o| o.name == "filter" && o.rows_in > 0 && o.rows_out == 0) {
        return Some(say(Mood::Warning, format!("no row passed the filter: 0 of {} in batch {}", rows(filter.rows_in), last.batch_id)));
    }
    let late: u64 = last.state_operators.iter().map(|s| s.num_rows_dropped_by_watermark).sum();
    if late > 0 && late >= last.num_input_rows {
        return Some(say(
            Mood::Warning,
            format!(
                "all {} of batch {} came too late: the watermark had passed them; late_rows('…') has them with their times",
                rows(late),
                last.batch_id
            ),
        ));
    }
    if let Some(reason) = newest.state_operators.last().and_then(|operator| withheld(facts, operator, last)) {
        return Some(reason);
    }
    if facts.waits_for_watermark && facts.mode == OutputMode::Append {
        let time = newest.event_time.as_ref()?;
        if let (Some(window), Some(delay)) = (next_window(newest), facts.delay) {
            let at = |micros: i64| clock_time(micros, facts.zone, last.event_time.as_ref().and_then(|e| e.max));
            let stands = if time.watermark > 0 { format!("it stands at {}", at(time.watermark)) } else { "there is none yet".to_string() };
            let (end, event) = (at(window.end), at(window.end.saturating_add(delay)));
            return Some(say(
                Mood::Waiting,
                format!("append waits until the watermark passes {end}; {stands}, and an event of {event} or later moves it there"),
            ));
        }
        let mut text = format!(
            "append writes a group when the watermark passes its end; the watermark is at {}",
            clock_time(time.watermark, facts.zone, None)
        );
        if let (Some(max), Some(delay)) = (last.event_time.as_ref().and_then(|e| e.max), facts.delay) {
            text.push_str(&format!(
                ", the latest event {} less {}: a group that ends at T needs an event after T + {}",
                clock_time(max, facts.zone, None),
                duration(delay as f64 / 1e3),
                duration(delay as f64 / 1e3)
            ));
        }
        return Some(say(Mood::Waiting, text));
    }
    if let Some(step) = last.operators.iter().find(|o| o.rows_in > 0 && o.rows_out == 0) {
        return Some(say(
            Mood::Warning,
            format!("no row came out of {}: {} went in in batch {}", step.name, rows(step.rows_in), last.batch_id),
        ));
    }
    None
}

/// Why the operator whose rows come out let none through, where it is one that a batch's rows pass alone.
fn withheld(facts: &Facts<'_>, operator: &StateOperatorProgress, last: &BatchProgress) -> Option<Why> {
    match operator.operator_name.as_str() {
        "dedupe" | "dedupeWithinWatermark" if operator.repeated.is_some_and(|n| n > 0) => {
            let text = format!("every key of batch {} had been seen before: only the first row of a key comes out", last.batch_id);
            Some(say(Mood::Waiting, text))
        }
        "symmetricHashJoin" if operator.num_rows_total > 0 => {
            let kept = operator.num_rows_total;
            let (rows, wait) = (rows(kept), if kept == 1 { "waits" } else { "wait" });
            let text = match facts.waits_for_watermark {
                true => format!(
                    "no two rows met in batch {}: {rows} {wait} for a partner until the watermark has passed the time range",
                    last.batch_id
                ),
                false => format!("no two rows met in batch {}: {rows} {wait} for a partner", last.batch_id),
            };
            Some(say(Mood::Waiting, text))
        }
        "sessionWindowStateStoreSaveExec" if facts.mode == OutputMode::Append => {
            let time = newest_time(last)?;
            let at = |micros: i64| clock_time(micros, facts.zone, Some(time.0));
            let stands = if time.1 > 0 { format!("it stands at {}", at(time.1)) } else { "there is none yet".to_string() };
            let text = format!(
                "append writes a session when the watermark passes its end, that is its last event plus the gap; {stands}, the newest event at {}",
                at(time.0)
            );
            Some(say(Mood::Waiting, text))
        }
        _ => None,
    }
}

/// The newest event of a batch and the watermark that it ran with.
fn newest_time(batch: &BatchProgress) -> Option<(i64, i64)> {
    let time = batch.event_time.as_ref()?;
    Some((time.max?, time.watermark))
}

/// The window that closes next.
fn next_window(batch: &BatchProgress) -> Option<WindowGroups> {
    batch.state_operators.iter().filter_map(|o| o.open_windows.first()).min_by_key(|w| w.end).copied()
}

/// `2024-01-01 00:00:21` of microseconds since the epoch, in that zone; without the date where `near` has the same.
fn clock_time(micros: i64, zone: chrono_tz::Tz, near: Option<i64>) -> String {
    let local = |micros: i64| chrono::DateTime::from_timestamp_micros(micros).map(|t| t.with_timezone(&zone));
    let Some(time) = local(micros) else { return micros.to_string() };
    let date = if near.and_then(local).is_some_and(|n| n.date_naive() == time.date_naive()) { "" } else { "%Y-%m-%d " };
    let clock = if micros % 1_000_000 == 0 { "%H:%M:%S" } else { "%H:%M:%S%.3f" };
    time.format(&format!("{date}{clock}")).to_string()
}

#[cfg(test)]
mod tests {
    use super::super::{EventTime, OnDisk, OperatorProgress, SinkProgress, StateOperatorProgress};
    use super::*;

    fn facts<'a>(state: &'a QueryState, sources: &'a [SourceStatus], last: Option<&'a BatchProgress>) -> Facts<'a> {
        Facts {
            name: "q",
            state,
            mode: OutputMode::Append,
            trigger: Trigger::Default,
            sources,
            last,
            last_with_rows: last,
            next_trigger: None,
            waits_for_watermark: false,
            delay: None,
            trouble: None,
            zone: chrono_tz::UTC,
        }
    }

    fn source(connection: Connection) -> SourceStatus {
        SourceStatus { stream: "lines".into(), description: "socket localhost:9999".into(), connection, ..SourceStatus::default() }
    }

    fn batch(operators: Vec<OperatorProgress>) -> BatchProgress {
        BatchProgress { num_input_rows: 120, operators, sink: SinkProgress::default(), ..BatchProgress::default() }
    }

    #[test]
    fn says_that_nobody_is_there() {
        let refused = [source(Connection::Refused("connection refused".into()))];
        let why = why(&facts(&QueryState::WaitingForData, &refused, None));
        assert_eq!(why.sentence, "no connection: nobody listens at socket localhost:9999 (connection refused); trying again");
        assert_eq!(why.mood, Mood::Warning);
    }

    #[test]
    fn says_what_is_tried_again() {
        let connected = [source(Connection::Connected)];
        let why = why(&Facts { trouble: Some("the disk is busy; trying again"), ..facts(&QueryState::WaitingForData, &connected, None) });
        assert_eq!((why.sentence.as_str(), why.mood), ("the disk is busy; trying again", Mood::Warning));
    }

    #[test]
    fn says_what_a_restart_replayed() {
        let mut source = source(Connection::Connected);
        source.replayed_rows = 1204;
        let sources = [source];
        let mut last = batch(vec![]);
        last.sink.num_output_rows = 7;
        assert_eq!(
            why(&facts(&QueryState::WaitingForData, &sources, Some(&last))).sentence,
            "replayed 1,204 lines of lines from the write-ahead log; waits for data; batch 0 gave 7 rows"
        );
    }

    #[test]
    fn says_that_no_line_came() {
        let connected = [source(Connection::Connected)];
        let why = why(&facts(&QueryState::WaitingForData, &connected, None));
        assert_eq!(why.sentence, "connected to socket localhost:9999, and no line came yet");
    }

    #[test]
    fn says_which_filter_let_nothing_through() {
        let last = batch(vec![OperatorProgress { name: "filter".into(), rows_in: 120, ..OperatorProgress::default() }]);
        let why = why(&facts(&QueryState::WaitingForData, &[source(Connection::Connected)], Some(&last)));
        assert_eq!(why.sentence, "no row passed the filter: 0 of 120 rows in batch 0");
    }

    #[test]
    fn says_what_the_watermark_waits_for() {
        let mut last = batch(vec![]);
        last.event_time = Some(EventTime { max: Some(31_000_000), watermark: 0, ..EventTime::default() });
        let mut facts = facts(&QueryState::WaitingForData, &[], Some(&last));
        (facts.waits_for_watermark, facts.delay) = (true, Some(10_000_000));
        assert_eq!(
            why(&facts).sentence,
            "append writes a group when the watermark passes its end; the watermark is at 1970-01-01 00:00:00, \
             the latest event 1970-01-01 00:00:31 less 10.0 s: a group that ends at T needs an event after T + 10.0 s"
        );
    }

    #[test]
    fn says_which_window_closes_next_in_the_sessions_zone() {
        let second = 1_000_000;
        let mut last = batch(vec![]);
        last.event_time = Some(EventTime { max: Some(37 * second), watermark: 27 * second, ..EventTime::default() });
        let open = |end: i64| WindowGroups { start: end - 10 * second, end, groups: 1 };
        last.state_operators =
            vec![StateOperatorProgress { open_windows: vec![open(30 * second), open(40 * second)], ..StateOperatorProgress::default() }];
        let mut facts = facts(&QueryState::WaitingForData, &[], Some(&last));
        (facts.waits_for_watermark, facts.delay, facts.zone) = (true, Some(10 * second), chrono_tz::Europe::Berlin);
        assert_eq!(
            why(&facts).sentence,
            "append waits until the watermark passes 01:00:30; it stands at 01:00:27, and an event of 01:00:40 or later moves it there"
        );
    }

    #[test]
    fn says_what_each_kind_of_state_waits_for() {
        let second = 1_000_000;
        let mut last = batch(vec![]);
        last.event_time = Some(EventTime { max: Some(37 * second), watermark: 27 * second, ..EventTime::default() });
        let of = |name: &str| StateOperatorProgress {
            operator_name: name.to_string(),
            num_rows_total: 2,
            repeated: Some(120),
            ..StateOperatorProgress::default()
        };
        let mut said = |name: &str| {
            last.state_operators = vec![of(name)];
            let mut facts = facts(&QueryState::WaitingForData, &[], Some(&last));
            (facts.waits_for_watermark, facts.delay) = (true, Some(10 * second));
            why(&facts).sentence
        };
        assert_eq!(said("dedupe"), "every key of batch 0 had been seen before: only the first row of a key comes out");
        assert_eq!(
            said("symmetricHashJoin"),
            "no two rows met in batch 0: 2 rows wait for a partner until the watermark has passed the time range"
        );
        assert_eq!(
            said("sessionWindowStateStoreSaveExec"),
            "append writes a session when the watermark passes its end, that is its last event plus the gap; \
             it stands at 00:00:27, the newest event at 00:00:37"
        );
    }

    #[test]
    fn says_of_a_slow_query_that_its_state_is_on_disk() {
        let mut last = batch(vec![]);
        last.duration_ms.trigger_execution = 3000.0;
        last.sink.num_output_rows = 7;
        let disk = Some(OnDisk { rows: 1204, bytes: 1 });
        last.state_operators = vec![StateOperatorProgress { num_rows_total: 5000, disk, ..StateOperatorProgress::default() }];
        let mut facts = facts(&QueryState::Running, &[], Some(&last));
        facts.trigger = Trigger::ProcessingTime(1_000_000);
        let end = "; 1,204 of 5,000 rows of state are on disk, a larger maxMemoryUsageMB keeps more in memory";
        assert!(why(&facts).sentence.ends_with(end), "{}", why(&facts).sentence);
        facts.trigger = Trigger::ProcessingTime(10_000_000);
        assert!(!why(&facts).sentence.contains("on disk"), "{}", why(&facts).sentence);
    }

    #[test]
    fn lines_that_do_not_decode_are_told_with_where_to_look() {
        let source = SourceStatus {
            stream: "events".into(),
            received_rows: 4,
            bad_rows: 4,
            sample: Some("nonsense".into()),
            connection: Connection::Connected,
            ..SourceStatus::default()
        };
        let sources = [source];
        let last = BatchProgress { num_input_rows: 4, ..BatchProgress::default() };
        let named = facts(&QueryState::WaitingForData, &sources, Some(&last));
        let told = "4 of 4 lines of events did not decode; one of them: nonsense";
        assert!(why(&named).sentence.ends_with(&format!("{told}; bad_rows('q') has them with the reason")), "{}", why(&named).sentence);
        assert!(why(&Facts { name: "", ..named }).sentence.ends_with(told));
    }

    #[test]
    fn says_that_rows_came_too_late() {
        let mut last = batch(vec![]);
        last.state_operators = vec![StateOperatorProgress { num_rows_dropped_by_watermark: 120, ..StateOperatorProgress::default() }];
        let why = why(&facts(&QueryState::WaitingForData, &[], Some(&last)));
        assert_eq!(
            why.sentence,
            "all 120 rows of batch 0 came too late: the watermark had passed them; late_rows('…') has them with their times"
        );
    }
}
