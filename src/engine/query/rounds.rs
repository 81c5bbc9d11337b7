//! A query's life: its thread, batch after batch, what happens when one fails, and its end.

use super::*;

/// The longest wait between two tries of something that failed for a while.
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

impl Runner {
    /// Runs it on a thread of its own.
    pub(in crate::engine) fn spawn(self: Box<Runner>) -> Result<(), EngineError> {
        std::thread::Builder::new()
            .name(format!("query-{}", self.label))
            .stack_size(crate::engine::pool::STACK)
            .spawn(move || self.run())
            .map_err(|e| EngineError::external(format!("the query's thread could not be started: {e}")))?;
        Ok(())
    }

    fn run(mut self: Box<Runner>) {
        let shared = Arc::clone(&self.shared);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let outcome = self.begin().and_then(|()| self.rounds());
            self.publish_sources();
            if self.shared.is_named() && !self.crashed {
                self.shared.show_state(self.root.kept(STATE_ROWS));
            }
            self.close_checkpoint(outcome)
        }));
        let panicked = outcome.is_err();
        let mut outcome = outcome.unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
            Err(EngineError::internal(format!("the query's thread panicked: {}", text.unwrap_or("no message"))))
        });
        if shared.hands_over() && !panicked {
            match self.hand_over() {
                Ok(taken) => {
                    drop(self);
                    return shared.end_with(taken);
                }
                Err(error) => outcome = Err(error),
            }
        }
        // A failed batch was undone: once its cause is gone the query can go on. With a checkpoint it starts from that.
        if outcome.is_err() && !panicked && !self.had_checkpoint() && shared.is_named() {
            shared.park(self);
        } else {
            // Connections, files and the checkpoint's lock are free before anybody learns of the end.
            drop(self);
        }
        shared.end(outcome);
    }

    /// Everything that a query which takes this one's place goes on with; the checkpoint has the rest, where there is one.
    fn hand_over(&mut self) -> Result<Takeover, EngineError> {
        let state = if self.had_checkpoint() { Vec::new() } else { query_checkpoint::contents(&mut self.root)? };
        let mut sources = std::mem::take(&mut self.inputs);
        let receivers = sources.iter().filter_map(|i| i.source.receiver()).collect();
        let sink = Some((self.columns.clone(), std::mem::replace(&mut self.sink, Box::new(crate::engine::sink::noop::Noop))));
        if self.had_checkpoint() {
            let sources = sources.into_iter().map(|i| i.source.place().is_some().then_some(i.source)).collect();
            return Ok(Takeover { found: Found::default(), state, sources, _receivers: receivers, sink });
        }
        let found = Found {
            committed: self.batch.checked_sub(1),
            watermarks: Some(self.watermarks.text()),
            ends: sources.iter().map(|i| i.from.clone()).collect(),
            journals: sources.iter_mut().map(|i| i.source.journal_so_far()).collect(),
            ..Found::default()
        };
        Ok(Takeover { found, state, sources: sources.into_iter().map(|i| Some(i.source)).collect(), _receivers: receivers, sink })
    }

    fn had_checkpoint(&self) -> bool {
        self.crashed || self.shared.has_checkpoint()
    }

    /// What is under way in the background is finished, or left as a kill would leave it.
    fn close_checkpoint(&mut self, outcome: Result<(), EngineError>) -> Result<(), EngineError> {
        let Some(keeper) = self.keeper.take() else { return outcome };
        if self.crashed {
            keeper.checkpoint.abandon();
            return outcome;
        }
        let finished = keeper.finish().and_then(|ends| {
            // Files may go that no restart asks for any more.
            self.inputs.iter_mut().zip(ends).filter_map(|(i, to)| Some((i, to?))).try_for_each(|(i, to)| i.source.durable(&to))
        });
        outcome.and(finished)
    }

    /// Once, before the first batch of this run.
    fn begin(&mut self) -> Result<(), EngineError> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        let query = self.shared.identity().id.clone();
        let sync = self.keeper.as_ref().map_or_else(Sync::default, |k| k.checkpoint.sync());
        let run = SinkRun { query, first: self.batch, checkpointed: self.keeper.is_some(), sync };
        self.sink.start(&run).map_err(|e| e.within("the sink"))?;
        if matches!(self.trigger, Trigger::AvailableNow | Trigger::Once) {
            for input in &mut self.inputs {
                input.source.freeze()?;
            }
        }
        Ok(())
    }

    /// Looks, waits and runs batches until there is nothing more to do.
    fn rounds(&mut self) -> Result<(), EngineError> {
        let mut failures = 0;
        loop {
            if self.shared.wants_state() {
                self.shared.show_state(self.root.kept(STATE_ROWS));
            }
            self.crash_at(CrashPoint::Now)?;
            match self.shared.command() {
                Command::Stop => return Ok(()),
                Command::Pause => {
                    self.shared.set_state(QueryState::Paused, None);
                    self.wait(None);
                    continue;
                }
                Command::Run => {}
            }
            match self.round() {
                Ok(true) => failures = 0,
                Ok(false) => return Ok(()),
                Err(error) if error.failure().retry && self.shared.command() != Command::Stop => {
                    failures += 1;
                    self.back_off(&error, failures);
                }
                Err(error) => return if self.shared.is_abandoned() { Ok(()) } else { Err(error) },
            }
        }
    }

    /// Ends the query here if it was asked to: nothing more is done, nothing undone.
    pub(super) fn crash_at(&mut self, point: CrashPoint) -> Result<(), EngineError> {
        if !self.shared.crashes_at(point) {
            return Ok(());
        }
        self.crashed = true;
        let what = if point == CrashPoint::Now { "the query".to_string() } else { format!("batch {}", self.batch) };
        Err(EngineError::user(format!("{what} was ended as by a kill, {} (CRASH)", point.text())).help("RESUME shows the recovery"))
    }

    /// One look at the trigger and the sources, and what follows from it; false when the query is at its end.
    fn round(&mut self) -> Result<bool, EngineError> {
        if let Some(logged) = self.repeat.front().cloned() {
            self.repeat_batch(&logged)?;
            return Ok(true);
        }
        let mut facts = trigger::Facts {
            trigger: self.trigger,
            now: self.clock.now_micros(),
            last_look: self.last_look,
            idle: self.idle,
            batches: self.ran,
            data: None,
        };
        let mut planned = None;
        let decision = match trigger::decide(&facts) {
            Decision::Look => {
                let mut recorder = Recorder::start(facts.now, self.clock.ticks());
                self.last_look = Some(facts.now);
                let range = self.plan_range(&mut recorder)?;
                facts.data = Some(self.data(&range));
                planned = Some((recorder, range));
                trigger::decide(&facts)
            }
            other => other,
        };
        if self.idle && matches!(decision, Decision::WaitUntil(_)) {
            // The ticks that passed while nothing was there are over: the grid goes on from here.
            self.last_look = Some(facts.now);
        }
        self.idle = decision == Decision::WaitForData;
        match (decision, planned) {
            (Decision::End, _) => return Ok(false),
            (Decision::Run, Some((recorder, range))) => self.run_batch(recorder, &range)?,
            (Decision::WaitUntil(time), _) => {
                self.publish_sources();
                self.shared.set_state(QueryState::WaitingForTrigger, Some(time));
                self.wait(Some(Duration::from_micros((time - facts.now).max(0).unsigned_abs())));
            }
            _ => {
                self.publish_sources();
                self.shared.set_state(QueryState::WaitingForData, None);
                let poll = self.inputs.iter().filter_map(|i| i.source.poll_every()).min();
                self.wait(poll);
            }
        }
        Ok(true)
    }

    /// A batch that was begun before and not done: over the same ranges, with the same watermarks and time.
    fn repeat_batch(&mut self, logged: &BatchOffsets) -> Result<(), EngineError> {
        if logged.batch != self.batch {
            let message = format!("batch {} comes next, and the offsets of batch {} are at hand", self.batch, logged.batch);
            return Err(EngineError::internal(message));
        }
        self.watermarks.restore(&logged.watermarks).ok_or_else(|| EngineError::external("the logged watermarks cannot be read"))?;
        let range: Range = logged.sources.iter().map(|s| s.to.clone()).collect();
        self.run_batch(Recorder::start(self.clock.now_micros(), self.clock.ticks()), &range)
    }

    /// Waits longer after each failure, unless a command comes; says so meanwhile.
    fn back_off(&mut self, error: &EngineError, failures: u32) {
        let wait = Duration::from_millis(100).saturating_mul(1 << failures.min(10)).min(LONGEST_BACKOFF);
        self.shared.note_trouble(format!("batch {}: {error}; trying again in {} ms", self.batch, wait.as_millis()));
        self.publish_sources();
        self.shared.set_state(QueryState::WaitingForData, None);
        let (begun, command) = (self.clock.ticks(), self.shared.command());
        let mut left = wait;
        // Lines that come wake it, too, and do not make the disk any better.
        while !left.is_zero() && self.shared.wake.wait(left) && self.shared.command() == command {
            left = wait.saturating_sub(Duration::from_nanos(self.clock.ticks() - begun));
        }
    }

    /// Sleeps until woken, or until the time is over.
    fn wait(&self, at_most: Option<Duration>) {
        // Without a time only a signal ends the wait; the bound is there for a source that forgets to give one.
        self.shared.wake.wait(at_most.unwrap_or(Duration::from_secs(60)));
    }
}
