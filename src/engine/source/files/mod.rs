//! Files as a stream: a watched directory, a pattern, or one growing file.
//!
//! Every file is read once, in the order of modification time, then path. An offset is the number of a batch of
//! files, as Spark writes it: `{"logOffset":3}`; the source remembers which files each number stands for.
//! A single plain file may grow: whole lines that were added are read from where the last batch ended.

mod clean;
mod codec;
mod growing;
mod journal;
mod listing;
mod partition;
mod pieces;
mod refresh;

use super::bad::Tally;
use super::declared::Declared;
use super::decode::RowFormat;
use super::{Earlier, ReadTask, Source, SourceContext};
use crate::checkpoint::Offset;
use crate::checkpoint::storage::spelled;
use crate::engine::clock::Clock;
use crate::engine::eval::parse;
use crate::engine::eval::zone::Zone;
use crate::engine::{EngineError, Frame, Resources};
use crate::plan::logical::Scan;
use crate::progress::{Connection, SourceStatus};
use clean::Clean;
use codec::Codec;
use growing::Growing;
use journal::Line;
use listing::{Found, Wanted};
pub(in crate::engine::source) use listing::{Place, would_read};
use pieces::{Reading, Segment};
pub(in crate::engine) use refresh::fingerprint;
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An empty file this young, in microseconds, may be one that is just being written.
const YOUNG: i64 = 1_000_000;

/// Options that say which files make a batch.
#[derive(Clone, Debug, Default)]
struct Limits {
    files: Option<u64>,
    bytes: Option<u64>,
    latest_first: bool,
    /// Microseconds before the newest file seen.
    max_age: Option<i64>,
    name_only: bool,
}

/// Files read so far, so that none is read twice.
#[derive(Debug, Default)]
struct Seen {
    /// By path in its one spelling, so that a restart knows a file by any other, or by name with `fileNameOnly`.
    files: HashMap<PathBuf, i64>,
    newest: i64,
    /// Files older than this are not looked at any more.
    horizon: i64,
}

/// The source.
struct FileSource {
    stream: String,
    description: String,
    place: Place,
    limits: Limits,
    reading: Arc<Reading>,
    clock: Arc<dyn Clock>,
    clean: Option<Clean>,
    workers: usize,
    seen: Seen,
    growing: Option<Growing>,
    /// Found and not in a batch yet, in order.
    pending: Vec<Found>,
    /// Batch by batch; emptied once committed.
    batches: Vec<Vec<Segment>>,
    /// Committed, and to be cleaned up once that is durable.
    done: VecDeque<(usize, Vec<Segment>)>,
    frozen: bool,
}

/// Opens a stream of files.
pub(super) fn open(scan: &Scan, context: &SourceContext, resources: &Resources) -> Result<Box<dyn Source>, EngineError> {
    let declared = Declared::new(&scan.format, &scan.options);
    let limits = read_limits(&declared)?;
    let clean = Clean::read(&declared)?;
    for name in ["modifiedBefore", "modifiedAfter"] {
        if declared.text(name).is_some() {
            return Err(EngineError::user(format!("option {name} is for tables: a stream reads every file that comes"))
                .help("maxFileAge leaves out what is older than the newest files"));
        }
    }
    let (place, reading) = read_common(scan, &declared, context)?;
    declared.finish()?;
    let growing = match place.single_file() {
        Some(path) if reading.format.cut().is_some() && Codec::of(&path).is_none() && clean.is_none() => Some(Growing::new(path)),
        _ => None,
    };
    Ok(Box::new(FileSource {
        stream: scan.name.clone(),
        description: format!("{} {}", scan.format, place.path()),
        place,
        limits,
        reading: Arc::new(reading),
        clock: Arc::clone(&context.clock),
        clean,
        workers: resources.pool().width(),
        seen: Seen { horizon: i64::MIN, ..Seen::default() },
        growing,
        pending: Vec::new(),
        batches: Vec::new(),
        done: VecDeque::new(),
        frozen: false,
    }))
}

/// All rows of a bounded table.
///
/// # Errors
/// As for a stream; a missing path.
pub fn read_table(scan: &Scan, context: &SourceContext, resources: &Resources) -> Result<Frame, EngineError> {
    let declared = Declared::new(&scan.format, &scan.options);
    let (mut place, reading) = read_common(scan, &declared, context)?;
    declared.finish()?;
    let mut found = place.list(context.clock.now_micros()).unwrap_or_default();
    sort(&mut found);
    let segments: Vec<_> = found.iter().map(whole).collect();
    let tasks = pieces::tasks(&segments, &Arc::new(reading), resources.pool().width());
    let frames = resources.pool().map(tasks, |task| task()).into_iter().collect::<Result<Vec<_>, _>>()?;
    match Frame::concat(frames)? {
        Some(frame) => Ok(frame),
        None => Ok(empty(scan)),
    }
}

fn empty(scan: &Scan) -> Frame {
    let columns = scan.columns.iter().map(|c| crate::engine::columns::null_series(&c.data_type, 0)).collect();
    Frame::new(scan.columns.iter().map(|c| c.id).collect(), columns, 0)
}

/// The options that streams and tables share.
fn read_common(scan: &Scan, declared: &Declared<'_>, context: &SourceContext) -> Result<(Place, Reading), EngineError> {
    let format = RowFormat::read(&scan.format, declared, &scan.declared, &scan.columns, context.zone)?
        .ok_or_else(|| EngineError::user(format!("there is no file format {}", scan.format)))?;
    if !scan.streaming {
        declared.boolean("refresh")?;
    }
    let place = read_place(declared, &scan.format, context.zone)?;
    let reading = Reading {
        format,
        depth: place.depth(),
        tally: Tally::new(&scan.name, context),
        ignore_missing: declared.boolean("ignoreMissingFiles")?.unwrap_or(false),
        ignore_corrupt: declared.boolean("ignoreCorruptFiles")?.unwrap_or(false),
    };
    Ok((place, reading))
}

/// Where the files are.
pub(super) fn read_place(declared: &Declared<'_>, format: &str, zone: chrono_tz::Tz) -> Result<Place, EngineError> {
    let path = declared.text("path").ok_or_else(|| {
        EngineError::user(format!("{format} needs the option path"))
            .help("OPTIONS (path 'directory'): a directory, a pattern such as 'data/*.json', or a file")
    })?;
    let zone = Zone::new(declared.zone("timeZone")?.unwrap_or(zone));
    let instant = |name| match declared.text(name) {
        None => Ok(None),
        Some(text) => match parse::timestamp(text, &zone, || 0) {
            Some(at) => Ok(Some(at)),
            None => Err(declared.bad(name, text, "a time such as 2024-01-31T10:20:30")),
        },
    };
    let wanted = Wanted {
        recursive: declared.boolean("recursiveFileLookup")?.unwrap_or(false),
        name_filter: declared.text("pathGlobFilter").map(str::to_string),
        changed: (instant("modifiedAfter")?, instant("modifiedBefore")?),
        base: declared.text("basePath").map(str::to_string),
    };
    Place::open(path, wanted)
}

/// Files to infer a schema from, in the order in which they would be read.
pub(super) fn files_of(place: &mut Place) -> Vec<PathBuf> {
    let mut found = place.list(0).unwrap_or_default();
    sort(&mut found);
    found.into_iter().map(|f| f.path).collect()
}

/// At most `limit` lines, for a look at what text files hold.
pub(super) fn first_lines(place: &mut Place, limit: usize) -> Result<Vec<String>, EngineError> {
    let mut lines = Vec::new();
    for path in files_of(place) {
        let text = String::from_utf8_lossy(&read_file(&path)?).into_owned();
        lines.extend(text.lines().take(limit - lines.len()).map(str::to_string));
        if lines.len() >= limit {
            break;
        }
    }
    if lines.is_empty() {
        return Err(EngineError::data("UNABLE_TO_INFER_SCHEMA", "there are no lines yet to infer the columns from"));
    }
    Ok(lines)
}

/// All bytes of a file, decompressed.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, EngineError> {
    pieces::read_text(path).map_err(|e| pieces::unreadable(path, &e))
}

fn read_limits(declared: &Declared<'_>) -> Result<Limits, EngineError> {
    let files = declared.number("maxFilesPerTrigger", 1, i64::MAX)?.map(|n| n as u64);
    let bytes = declared.bytes("maxBytesPerTrigger")?;
    if files.is_some() && bytes.is_some() {
        return Err(EngineError::user("maxFilesPerTrigger and maxBytesPerTrigger cannot both be given"));
    }
    let latest_first = declared.boolean("latestFirst")?.unwrap_or(false);
    let age = declared.duration("maxFileAge")?.unwrap_or(7 * 86_400_000_000);
    // With the newest first under a limit, old files are exactly those that wait longest.
    let unlimited = latest_first && (files.is_some() || bytes.is_some());
    let max_age = (!unlimited).then_some(age);
    Ok(Limits { files, bytes, latest_first, max_age, name_only: declared.boolean("fileNameOnly")?.unwrap_or(false) })
}

fn sort(found: &mut [Found]) {
    found.sort_by(|a, b| (a.modified, &a.path).cmp(&(b.modified, &b.path)));
}

fn whole(found: &Found) -> Segment {
    Segment { path: found.path.clone(), start: 0, end: None, bytes: found.bytes, modified: found.modified }
}

impl Seen {
    fn key(path: &Path, name_only: bool) -> PathBuf {
        match path.file_name() {
            Some(name) if name_only => PathBuf::from(name),
            _ => spelled(path),
        }
    }

    /// Whether the file is new; it is not from now on. `tally` hears of one that changed after it was read.
    fn add(&mut self, found: &Found, limits: &Limits, tally: &Tally) -> bool {
        let key = Seen::key(&found.path, limits.name_only);
        if found.modified < self.horizon {
            return false;
        }
        if let Some(known) = self.files.get_mut(&key) {
            if *known != found.modified && !limits.name_only {
                *known = found.modified;
                let reason = "changed after it was found; a file of a directory is read once (a single file as path may grow)";
                tally.note(found.path.display().to_string(), reason.to_string());
            }
            return false;
        }
        self.files.insert(key, found.modified);
        self.newest = self.newest.max(found.modified);
        true
    }

    /// Notes a file that an earlier run has read.
    fn remember(&mut self, key: PathBuf, modified: i64) {
        self.files.insert(key, modified);
        self.newest = self.newest.max(modified);
    }

    /// Forgets files that are too old to be looked at again.
    fn purge(&mut self, limits: &Limits) {
        let Some(age) = limits.max_age else { return };
        let horizon = self.newest.saturating_sub(age);
        if horizon > self.horizon {
            self.horizon = horizon;
            self.files.retain(|_, modified| *modified >= horizon);
        }
    }
}

impl FileSource {
    fn look(&mut self) {
        let now = self.clock.now_micros();
        let Some(found) = self.place.list(now) else { return };
        let mut more = false;
        for file in found {
            let may_be_under_way = file.bytes == 0 && (0..YOUNG).contains(&(now - file.modified)) && !self.frozen;
            if may_be_under_way {
                continue;
            }
            if self.seen.add(&file, &self.limits, &self.reading.tally) {
                self.pending.push(file);
                more = true;
            }
        }
        if more {
            sort(&mut self.pending);
        }
    }

    /// The batches of files of a range, and the number of the first.
    fn batches_of(&self, from: Option<&Offset>, to: &Offset) -> Result<(usize, &[Vec<Segment>]), EngineError> {
        let first = from.map_or(Ok(0), |from| Ok::<_, EngineError>(batch_of(from)? + 1))?;
        let last = batch_of(to)?;
        let batches = self.batches.get(first..=last);
        let batches = batches
            .ok_or_else(|| EngineError::internal(format!("batches {first} to {last} of {} files were asked for", self.batches.len())))?;
        Ok((first, batches))
    }

    /// The next batch of files; empty when there is nothing new.
    fn next_batch(&mut self) -> Vec<Segment> {
        if let Some(growing) = &mut self.growing {
            let (segment, change) = growing.next(self.clock.now_micros(), self.frozen);
            if let Some(change) = change {
                self.reading.tally.note(self.place.path().to_string(), change.text().to_string());
            }
            return segment.into_iter().collect();
        }
        if !self.frozen {
            self.look();
        }
        let mut count = 0;
        let mut bytes = 0u64;
        let order: Box<dyn Iterator<Item = &Found>> =
            if self.limits.latest_first { Box::new(self.pending.iter().rev()) } else { Box::new(self.pending.iter()) };
        for file in order {
            bytes = bytes.saturating_add(file.bytes);
            let full = self.limits.files.is_some_and(|most| count >= most) || self.limits.bytes.is_some_and(|most| bytes > most);
            if full && count > 0 {
                break;
            }
            count += 1;
        }
        let taken: Vec<Found> = if self.limits.latest_first {
            self.pending.split_off(self.pending.len() - count as usize).into_iter().rev().collect()
        } else {
            self.pending.drain(..count as usize).collect()
        };
        if !taken.is_empty() {
            self.seen.purge(&self.limits);
        }
        taken.iter().map(whole).collect()
    }
}

fn offset(batch: usize) -> Offset {
    Offset(format!("{{\"logOffset\":{batch}}}"))
}

fn batch_of(offset: &Offset) -> Result<usize, EngineError> {
    let digits = offset.0.trim().strip_prefix("{\"logOffset\":").and_then(|t| t.strip_suffix('}'));
    digits
        .and_then(|d| d.trim().parse().ok())
        .ok_or_else(|| EngineError::user(format!("{offset} is no position in a stream of files: it should look like {{\"logOffset\":3}}")))
}

impl Source for FileSource {
    fn latest(&mut self, from: Option<&Offset>) -> Result<Option<Offset>, EngineError> {
        let next = match from {
            Some(from) => batch_of(from)? + 1,
            None => 0,
        };
        if next < self.batches.len() {
            return Ok(Some(offset(next)));
        }
        let batch = self.next_batch();
        if batch.is_empty() {
            return Ok(from.cloned());
        }
        self.batches.push(batch);
        Ok(Some(offset(self.batches.len() - 1)))
    }

    fn read(&mut self, from: Option<&Offset>, to: &Offset) -> Result<Vec<ReadTask>, EngineError> {
        let (_, batches) = self.batches_of(from, to)?;
        let segments: Vec<Segment> = batches.iter().flatten().cloned().collect();
        Ok(pieces::tasks(&segments, &self.reading, self.workers))
    }

    fn commit(&mut self, offset: &Offset) -> Result<(), EngineError> {
        let last = batch_of(offset)?;
        let mut done = Vec::new();
        for (number, batch) in self.batches.iter_mut().enumerate().take(last + 1).rev().take_while(|(_, b)| !b.is_empty()) {
            let segments = std::mem::take(batch);
            if self.clean.is_some() {
                done.push((number, segments));
            }
        }
        self.done.extend(done.into_iter().rev());
        Ok(())
    }

    fn durable(&mut self, offset: &Offset) -> Result<(), EngineError> {
        let last = batch_of(offset)?;
        while let (Some(clean), Some((_, segments))) = (&self.clean, self.done.front().filter(|(batch, _)| *batch <= last)) {
            clean.files(segments.iter().map(|s| s.path.as_path()))?;
            self.done.pop_front();
        }
        Ok(())
    }

    fn journal(&mut self, from: Option<&Offset>, to: &Offset) -> Result<Vec<String>, EngineError> {
        let (first, batches) = self.batches_of(from, to)?;
        let lines = |(batch, segments): (usize, &Vec<Segment>)| {
            // Spelt so that a restart in another directory finds them.
            let logged = |s: &Segment| Line::File { batch, segment: Segment { path: spelled(&s.path), ..s.clone() } }.text();
            segments.iter().map(logged).collect::<Vec<_>>()
        };
        Ok((first..).zip(batches).flat_map(lines).collect())
    }

    fn journal_so_far(&mut self) -> Vec<String> {
        if let Some(growing) = &self.growing {
            return vec![Line::Grown { bytes: growing.read }.text()];
        }
        let waiting: HashSet<PathBuf> = self.pending.iter().map(|f| Seen::key(&f.path, self.limits.name_only)).collect();
        let seen = self.seen.files.iter().filter(|(key, _)| !waiting.contains(*key));
        seen.map(|(key, modified)| Line::Seen { modified: *modified, key: key.clone() }.text()).collect()
    }

    fn restore(&mut self, earlier: &Earlier) -> Result<(), EngineError> {
        let next = earlier.committed.as_ref().map_or(Ok(0), |at| Ok::<_, EngineError>(batch_of(at)? + 1))?;
        self.batches.resize_with(next, Vec::new);
        for line in &earlier.journal {
            match Line::parse(line)? {
                Line::Grown { bytes } => {
                    if let Some(growing) = &mut self.growing {
                        growing.read = bytes;
                    }
                }
                Line::Seen { modified, key } => {
                    let key = if self.limits.name_only { key } else { spelled(&key) };
                    self.seen.remember(key, modified);
                }
                Line::File { batch, segment } => {
                    self.seen.remember(Seen::key(&segment.path, self.limits.name_only), segment.modified);
                    if let (Some(growing), Some(end)) = (&mut self.growing, segment.end) {
                        growing.read = end;
                    }
                    if batch >= next {
                        self.batches.resize_with(self.batches.len().max(batch + 1), Vec::new);
                        self.batches[batch].push(segment);
                    }
                }
            }
        }
        self.seen.purge(&self.limits);
        Ok(())
    }

    fn status(&self) -> SourceStatus {
        let (received_rows, bad_rows, sample) = self.reading.tally.figures();
        SourceStatus {
            stream: self.stream.clone(),
            description: self.description.clone(),
            connection: Connection::Ready,
            received_rows,
            bad_rows,
            sample,
            ..SourceStatus::default()
        }
    }

    fn ended(&self) -> bool {
        self.frozen && self.pending.is_empty() && self.growing.is_none()
    }

    fn freeze(&mut self) -> Result<(), EngineError> {
        if !self.frozen {
            self.frozen = true;
            if self.growing.is_none() {
                self.look();
            }
        }
        Ok(())
    }
}
