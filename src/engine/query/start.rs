//! From a plan to a running query.

use super::*;

/// Everything that a streaming query is started with.
pub struct QuerySpec {
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// What it computes.
    pub plan: LogicalPlan,
    /// How results relate from batch to batch.
    pub mode: OutputMode,
    /// When batches run.
    pub trigger: Trigger,
    /// Where results go.
    pub sink: Box<dyn Sink>,
    /// What a restart means for its rows.
    pub guarantee: Guarantee,
    /// Session settings that queries read.
    pub settings: QuerySettings,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Session facts for expressions; the time and the batch are set per batch.
    pub eval: EvalContext,
    /// What the session's queries share.
    pub resources: Resources,
    /// Where it keeps what a restart needs; `None`: nowhere.
    pub checkpoint: Option<CheckpointSpec>,
    /// The query whose place it takes.
    pub taken: Option<Takeover>,
}

/// Settings of a session that its queries read, as they were when the query started.
#[derive(Clone, Debug)]
pub struct QuerySettings {
    /// `spark.sql.shuffle.partitions`: how many partitions state has; 0 means one a worker.
    pub partitions: usize,
    /// `spark.sql.streaming.noDataMicroBatches.enabled`
    pub no_data_batches: bool,
    /// `spark.sql.streaming.multipleWatermarkPolicy`
    pub watermark_policy: Policy,
    /// `spark.sql.streaming.numRecentProgressUpdates`: how many batches' progress is kept.
    pub recent_progress: usize,
    /// `spark.streaming.backpressure.*`; `None`: not enabled.
    pub backpressure: Option<RateSettings>,
    /// `spark.sql.streaming.stateStore.providerClass` and how much of the state is in memory; `None`: all of it.
    pub spill: Option<SpillSettings>,
}

impl Default for QuerySettings {
    fn default() -> QuerySettings {
        QuerySettings {
            partitions: 0,
            no_data_batches: true,
            watermark_policy: Policy::Min,
            recent_progress: 100,
            backpressure: None,
            spill: None,
        }
    }
}

/// Starts a query: its sources are opened and its operators built before this returns.
///
/// # Errors
/// What is not built, a source that cannot be opened, a thread that cannot be started.
/// A checkpoint that cannot be used, or that is another query's.
pub fn start(mut spec: QuerySpec) -> Result<QueryHandle, EngineError> {
    let wake = Arc::new(Signal::default());
    let label = spec.name.clone().unwrap_or_else(|| "query".to_string());
    let around = Surroundings {
        eval: spec.eval.clone(),
        resources: spec.resources.clone(),
        clock: Arc::clone(&spec.clock),
        wake: Arc::clone(&wake),
        query: label.clone(),
        system: &NoSystemTables,
    };
    let opened = spec.checkpoint.as_ref().map(|c| query_checkpoint::open(c, &spec.resources)).transpose()?;
    let earlier = opened.as_ref().and_then(|o| o.metadata.as_ref());
    let id = earlier.map_or_else(|| unique_id(spec.clock.now_micros(), 1), |m| m.id.clone());
    // State stays where it is: what was chosen at the first start holds.
    let fixed = earlier.map(|m| m.partitions).or_else(|| spec.taken.as_ref().and_then(Takeover::partitions));
    let partitions = fixed.unwrap_or(spec.settings.partitions);
    let mut built = Builder::streaming(&around, spec.mode, partitions).build(&spec.plan)?;
    spill_to_disk(&spec, &mut built)?;
    let (keeper, found) = match opened.map(|o| o.restore(&mut built, &id)).transpose()? {
        Some((keeper, found)) => (Some(keeper), Some(found)),
        None => (None, None),
    };
    let bad = Arc::new(BadRows::default());
    let mut taken = spec.taken.take();
    if let Some(taken) = taken.as_ref().filter(|_| keeper.is_none()) {
        taken.restore_state(&mut built)?;
    }
    let found = found.or_else(|| taken.as_mut().map(|t| std::mem::take(&mut t.found)));
    let mut sources = open_sources(&spec, &around.source_context(), &bad, &built, keeper.as_ref(), found.as_ref())?;
    for (input, old) in sources.iter_mut().zip(taken.iter().flat_map(|t| &t.sources)) {
        if let Some(place) = old.as_ref().and_then(|old| old.place()) {
            input.source.take_place(place);
        }
    }
    let kept = KeptState::of(&mut built);
    let delay = built.watermarks.iter().map(|w| w.0).max();
    let columns = TableColumns { late: std::mem::take(&mut built.late_columns), state: built.root.kept(0)? };
    let facts = SharedFacts { id, kept, columns, delay, follows_watermark: built.follows_watermark };
    let mut shared = Shared::new(&spec, facts, wake);
    shared.bad = bad;
    let shared = Arc::new(shared);
    let mut watermarks = Watermarks::new(&built.watermarks.iter().map(|w| w.0).collect::<Vec<_>>(), spec.settings.watermark_policy);
    if let Some(text) = found.as_ref().and_then(|f| f.watermarks.as_ref()) {
        watermarks.restore(text).ok_or_else(|| EngineError::external(format!("`{text}` is no text of watermarks")))?;
    }
    if keeper.is_some() {
        let other = query_checkpoint::other_partitions(fixed, spec.settings.partitions);
        let told = found.as_ref().and_then(query_checkpoint::recovery_text).into_iter().chain(other).collect::<Vec<_>>();
        shared.note_recovery(Some(told.join("; ")).filter(|text| !text.is_empty()));
    }
    let committed = found.as_ref().and_then(|f| f.committed);
    let runner = Box::new(Runner {
        columns: spec.plan.columns(),
        mode: spec.mode,
        trigger: spec.trigger,
        sink: spec.sink,
        no_data_batches: spec.settings.no_data_batches,
        eval: spec.eval,
        clock: spec.clock,
        resources: spec.resources,
        root: built.root,
        inputs: sources,
        watermarks,
        seen: Vec::new(),
        event_times: built.watermarks.into_iter().map(|w| w.1).collect(),
        latecomers: Arc::default(),
        follows_watermark: built.follows_watermark,
        watermark_redefined: built.redefined,
        batch: committed.map_or(0, |n| n + 1),
        ran: 0,
        went_on: committed.is_some(),
        repeat: found.map(|f| f.repeat).unwrap_or_default(),
        keeper,
        begun: false,
        crashed: false,
        last_look: None,
        idle: false,
        previous_start: None,
        label,
        shared: Arc::clone(&shared),
    });
    runner.spawn()?;
    Ok(QueryHandle::new(shared))
}

/// Lets operators keep on disk what is too much for memory, where the settings say so.
fn spill_to_disk(spec: &QuerySpec, built: &mut Built) -> Result<(), EngineError> {
    let checkpoint = spec.checkpoint.as_ref().map(|c| c.dir.clone());
    if let Some(dir) = &checkpoint {
        // A kill may have left it there, of a run with other settings, too.
        spill::clear(dir)
            .map_err(|e| EngineError::external(format!("{} cannot be removed: {e}", dir.join(spill::IN_CHECKPOINT).display())))?;
    }
    let Some(settings) = spec.settings.spill else { return Ok(()) };
    let name = unique_id(spec.clock.now_micros(), 3);
    let spill = Spill::new(settings, &spec.resources, checkpoint, name);
    let mut number = 0;
    built.root.each_operator(&mut |operator| {
        operator.spill_to(spill.tier(number));
        number += 1;
    });
    Ok(())
}

/// The sources of a plan, each where an earlier run left it.
fn open_sources(
    spec: &QuerySpec,
    around: &SourceContext,
    bad: &Arc<BadRows>,
    built: &Built,
    keeper: Option<&Keeper>,
    found: Option<&Found>,
) -> Result<Vec<Input>, EngineError> {
    let mut sources = Vec::with_capacity(built.sources.len());
    for (at, (scan, _)) in built.sources.iter().enumerate() {
        let mut context = SourceContext { bad: Arc::clone(bad), ..around.clone() };
        context.folder = keeper.map(|k| SourceFolder { dir: k.checkpoint.source_dir(at), sync: k.checkpoint.sync() });
        let mut source = source::open(scan, &context, &spec.resources).map_err(|e| e.within(&scan.name))?;
        if let Some(settings) = &spec.settings.backpressure {
            source.limit_rate(*settings);
        }
        if let Some(earlier) = found.and_then(|f| query_checkpoint::earlier(f, at)) {
            source.restore(&earlier).map_err(|e| e.within(&scan.name))?;
        }
        sources.push(Input { source, from: found.and_then(|f| f.ends.get(at).cloned().flatten()), bad: 0 });
    }
    Ok(sources)
}
