//! The state of one partition of one operator on disk: lists of rows as columns.
//!
//! ```text
//! state/<operator>/<partition>/
//!   N.snapshot   every row as after batch N
//!   N.delta      what batches from N on changed, in parts; only ever appended to
//!   file  = 16 bytes that say what it is, part*
//!   part  = length u32, CRC-32 u32, payload
//!   delta's payload    = batch u64, the batch before it u64 (one more; 0: none), number of the part u32,
//!                        whether it is the batch's last u8, entries
//!   snapshot's payload = 0, entries; the last: 1, batch u64, number of parts before it u64
//! ```
//! A batch counts with its last part. Each part names the batch before it that changed this partition, so that none can
//! be missing unseen. The state after a batch is the newest snapshot not after it and what batches between them changed.
//! What a file holds of the first batch of a later one, or of batches after that, does not count any more.

use super::CheckpointError;
use super::block::{Block, take};
use super::changes::{Changes, Raw};
use super::log::numbered;
use super::merge::{Live, Merge};
use super::storage::{Disk, DiskFile};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// What the files begin with; the version is its last character.
const DELTA: &[u8; 16] = b"eddyline delta 2";
pub(super) const SNAPSHOT: &[u8; 16] = b"eddyline snaps 2";
/// Length and checksum.
pub(super) const HEAD: usize = 8;
/// What stands before the entries of a part, that included.
pub(super) const PART: usize = HEAD + 21;
/// What the payload of the last part of a snapshot begins with.
pub(super) const END: u8 = 1;
/// A buffer that grew beyond that is not kept for the next batch.
const BUFFER: usize = 1 << 20;

/// Where a partition's changes are appended.
pub struct StateLog {
    dir: PathBuf,
    open: Option<(PathBuf, Box<dyn DiskFile>)>,
    last: Option<u64>,
    /// The last before that, for `undo`.
    before: Option<u64>,
    /// What the next file is named for, where that is not the batch at hand.
    next: Option<u64>,
    /// Since the last snapshot was asked for.
    frames: u64,
    bytes: u64,
    made: bool,
    /// Memory that the kernel has given already.
    buffer: Vec<u8>,
}

/// A file that was written to, and whether its name is new.
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// Its directory has to be synced, too.
    pub new: bool,
}

impl StateLog {
    /// The partition kept in `dir`, whose last changes are those of batch `last`, by a run that begins with batch `next`:
    /// of that and later ones nothing counts that is there.
    pub fn new(dir: PathBuf, last: Option<u64>, next: u64) -> StateLog {
        let made = last.is_some();
        StateLog { dir, open: None, last, before: last, next: Some(next), frames: 0, bytes: 0, made, buffer: Vec::new() }
    }

    /// Takes back what was appended for a batch that did not come to its end.
    pub fn undo(&mut self, batch: u64) {
        if self.last == Some(batch) {
            self.last = self.before;
        }
        self.open = None;
        self.next = Some(batch);
    }

    /// The batch that changed the partition last.
    pub fn last(&self) -> Option<u64> {
        self.last
    }

    /// Batches that changed it, and bytes of their changes, since the last snapshot was asked for.
    pub fn since_snapshot(&self) -> (u64, u64) {
        (self.frames, self.bytes)
    }

    /// Where the partition is kept.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Takes what a batch changes, to be appended; written, not synced.
    pub fn changes<'a>(&'a mut self, disk: &'a dyn Disk, batch: u64) -> Changes<'a> {
        Changes::of(self, disk, batch)
    }

    /// The file that is written to.
    pub(super) fn path(&self) -> Option<&Path> {
        self.open.as_ref().map(|(path, _)| path.as_path())
    }

    pub(super) fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.buffer)
    }

    pub(super) fn give_buffer(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= BUFFER {
            buffer.clear();
            self.buffer = buffer;
        }
    }

    /// All of a batch's parts were written, or one was not: then the next batch goes into a new file.
    pub(super) fn ended(&mut self, batch: u64, whole: bool) {
        if whole {
            self.before = self.last.replace(batch);
            self.frames += 1;
        } else {
            self.open = None;
        }
    }

    /// Appends a part of what a batch changed; whether its file is new. `part` begins with room for its head.
    pub(super) fn write_part(
        &mut self,
        disk: &dyn Disk,
        batch: u64,
        number: u32,
        last: bool,
        part: &mut [u8],
    ) -> Result<bool, CheckpointError> {
        let new = self.open.is_none();
        if new {
            if !self.made {
                disk.create_dir(&self.dir).map_err(CheckpointError::io("made", &self.dir))?;
                self.made = true;
            }
            let first = self.next.take().unwrap_or(batch);
            let path = self.dir.join(format!("{first}.delta"));
            let mut file = disk.create(&path).map_err(CheckpointError::io("made", &path))?;
            file.write_all(DELTA).map_err(CheckpointError::io("written", &path))?;
            self.open = Some((path, file));
        }
        let Some((path, file)) = &mut self.open else { unreachable!("a file was begun above") };
        part[HEAD..HEAD + 8].copy_from_slice(&batch.to_le_bytes());
        part[HEAD + 8..HEAD + 16].copy_from_slice(&self.last.map_or(0, |b| b + 1).to_le_bytes());
        part[HEAD + 16..HEAD + 20].copy_from_slice(&number.to_le_bytes());
        part[HEAD + 20] = u8::from(last);
        write_sealed(&mut **file, part).map_err(CheckpointError::io("written", path))?;
        self.bytes += part.len() as u64;
        Ok(new)
    }

    /// The next batch goes into a new file, so that those before it can be merged.
    pub fn roll(&mut self) {
        self.open = None;
        (self.frames, self.bytes) = (0, 0);
    }
}

/// Writes a part that begins with room for length and checksum: in one call, so that a kill leaves all of it or nothing.
pub(super) fn write_sealed(file: &mut (impl Write + ?Sized), part: &mut [u8]) -> io::Result<()> {
    let (head, payload) = part.split_at_mut(HEAD);
    let length = u32::try_from(payload.len()).map_err(|_| io::Error::other("a batch changes more than 4 GB of some rows' state"))?;
    head[..4].copy_from_slice(&length.to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head[..4]);
    crc.update(payload);
    head[4..].copy_from_slice(&crc.finalize().to_le_bytes());
    file.write_all(part)
}

/// The payload of the next part; `None` at the end, or where the file ends in the middle of one.
fn read_part(file: &mut dyn Read, path: &Path) -> Result<Option<Vec<u8>>, CheckpointError> {
    let mut head = [0; HEAD];
    let read = |file: &mut dyn Read, into: &mut [u8]| match file.read_exact(into) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(CheckpointError::io("read", path)(e)),
    };
    if !read(file, &mut head)? {
        return Ok(None);
    }
    let [length, crc] = [&head[..4], &head[4..]].map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    let mut payload = Vec::new();
    file.take(u64::from(length)).read_to_end(&mut payload).map_err(CheckpointError::io("read", path))?;
    if payload.len() < length as usize {
        return Ok(None);
    }
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head[..4]);
    hasher.update(&payload);
    if hasher.finalize() != crc {
        return Err(CheckpointError::damaged(path, "a part of it is not as it was written"));
    }
    Ok(Some(payload))
}

fn check_head(file: &mut dyn Read, path: &Path, wanted: &[u8; 16]) -> Result<(), CheckpointError> {
    let mut head = [0; 16];
    file.read_exact(&mut head).map_err(|_| CheckpointError::damaged(path, "it is shorter than its first line"))?;
    if head == *wanted {
        return Ok(());
    }
    if head[..15] == wanted[..15] && head[15].is_ascii_digit() {
        return Err(CheckpointError::Version { path: path.to_path_buf(), found: char::from(head[15]).to_string() });
    }
    Err(CheckpointError::damaged(path, "it does not begin as such a file does"))
}

/// What batches changed in a partition after batch `after` up to and with batch `last`: entries.
fn frames(disk: &dyn Disk, dir: &Path, after: Option<u64>, last: u64) -> Result<Vec<Vec<u8>>, CheckpointError> {
    let files = numbered(disk, dir, "delta")?;
    let mut out: Vec<Vec<u8>> = Vec::new();
    let mut reached = after;
    let mut looked_at = dir.to_path_buf();
    // A power loss tears what was not synced; a run that went back leaves it and begins a new file. So a part that is
    // damaged matters only if something is missing then.
    let mut suspect = None;
    for (at, (_, path)) in files.iter().enumerate() {
        let until = files.get(at + 1).map_or(u64::MAX, |(next, _)| *next);
        if reached == Some(last) || after.is_some_and(|a| until <= a + 1) {
            continue;
        }
        looked_at.clone_from(path);
        let mut file = io::BufReader::new(disk.open(path).map_err(CheckpointError::io("read", path))?);
        match check_head(&mut file, path, DELTA) {
            Err(error @ CheckpointError::Damaged { .. }) => {
                suspect.get_or_insert(error);
                continue;
            }
            other => other?,
        }
        // Parts of a batch whose last one was not met.
        let mut begun: Vec<Vec<u8>> = Vec::new();
        while reached != Some(last) {
            let payload = match read_part(&mut file, path) {
                Err(error @ CheckpointError::Damaged { .. }) => {
                    suspect.get_or_insert(error);
                    break;
                }
                other => match other? {
                    Some(payload) => payload,
                    None => break,
                },
            };
            let part = Part::of(payload).ok_or_else(|| CheckpointError::damaged(path, "a part of it does not say its batch"))?;
            if part.batch >= until || part.batch > last {
                break;
            }
            if after.is_some_and(|a| part.batch <= a) {
                continue;
            }
            if part.before != reached.map_or(0, |b| b + 1) || part.number as usize != begun.len() {
                let how = match part.before.checked_sub(1).filter(|_| part.number == 0) {
                    Some(missing) => format!("what batch {missing} changed is missing before batch {}", part.batch),
                    None => format!("what batch {} changed is not there whole", part.batch),
                };
                return Err(suspect.unwrap_or_else(|| CheckpointError::damaged(path, how)));
            }
            begun.push(part.entries);
            if part.last {
                reached = Some(part.batch);
                out.append(&mut begun);
            }
        }
    }
    if reached == Some(last) {
        return Ok(out);
    }
    Err(suspect.unwrap_or_else(|| CheckpointError::damaged(&looked_at, format!("what batch {last} changed is missing"))))
}

/// A part of a delta.
struct Part {
    batch: u64,
    before: u64,
    number: u32,
    last: bool,
    entries: Vec<u8>,
}

impl Part {
    fn of(mut payload: Vec<u8>) -> Option<Part> {
        let mut rest = &payload[..];
        let (batch, before) = (u64::from_le_bytes(take(&mut rest)?), u64::from_le_bytes(take(&mut rest)?));
        let (number, [last]) = (u32::from_le_bytes(take(&mut rest)?), take(&mut rest)?);
        payload.drain(..PART - HEAD);
        Some(Part { batch, before, number, last: last == 1, entries: payload })
    }
}

/// The snapshots of a partition by batch.
pub(super) fn snapshots(disk: &dyn Disk, dir: &Path) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
    numbered(disk, dir, "snapshot")
}

/// Bytes of a partition's newest snapshot; `None` without one.
///
/// # Errors
/// The disk's.
pub fn snapshot_bytes(disk: &dyn Disk, dir: &Path) -> Result<Option<u64>, CheckpointError> {
    let Some((_, path)) = snapshots(disk, dir)?.pop() else { return Ok(None) };
    let entries = disk.list(dir).map_err(CheckpointError::io("listed", dir))?;
    Ok(entries.iter().find(|entry| path.ends_with(&entry.name)).map(|entry| entry.bytes))
}

/// Takes rows of a list; `None` when they do not fit.
pub type Each<'a> = &'a mut dyn FnMut(u8, &Block) -> Option<()>;

/// Calls `visit` with all rows that the partition has after batch `last`; those of a list that is only added to in the
/// order in which they were added.
///
/// # Errors
/// Files that are missing or not as they were written; they are named.
pub fn load(disk: &dyn Disk, dir: &Path, last: u64, visit: Each<'_>) -> Result<(), CheckpointError> {
    let other_kind = || CheckpointError::damaged(dir, "some rows are of another kind than this query keeps");
    merged(disk, dir, last, &mut |live| {
        let some = live.kept.map(|kept| {
            let mut some = Block::default();
            some.append(live.rows, kept);
            some
        });
        visit(live.list, some.as_ref().unwrap_or(live.rows)).ok_or_else(other_kind)
    })
}

/// The newest snapshot with the changes since, up to batch `last`.
pub(super) fn merged(
    disk: &dyn Disk,
    dir: &Path,
    last: u64,
    visit: &mut impl FnMut(Live<'_>) -> Result<(), CheckpointError>,
) -> Result<(), CheckpointError> {
    let base = snapshots(disk, dir)?.into_iter().rfind(|(batch, _)| *batch <= last);
    let frames = frames(disk, dir, base.as_ref().map(|(b, _)| *b), last)?;
    let bad = || CheckpointError::damaged(dir, "an entry of a delta cannot be read");
    let merge = Merge::new(&frames).ok_or_else(bad)?;
    if let Some((batch, path)) = &base {
        read_snapshot(disk, path, *batch, &mut |raw| merge.base(raw, visit))?;
    }
    merge.deltas(visit).ok_or_else(bad)?
}

/// Gives `visit` the entries of a snapshot.
fn read_snapshot(
    disk: &dyn Disk,
    path: &Path,
    batch: u64,
    visit: &mut dyn FnMut(Raw<'_>) -> Option<Result<(), CheckpointError>>,
) -> Result<(), CheckpointError> {
    let mut file = io::BufReader::new(disk.open(path).map_err(CheckpointError::io("read", path))?);
    check_head(&mut file, path, SNAPSHOT)?;
    let bad = || CheckpointError::damaged(path, "a part of it cannot be read");
    let mut seen = 0;
    loop {
        let Some(payload) = read_part(&mut file, path)? else {
            return Err(CheckpointError::damaged(path, "its end is missing"));
        };
        let (kind, mut rest) = payload.split_first().ok_or_else(bad)?;
        if *kind == END {
            let (of, count) = (u64::from_le_bytes(take(&mut rest).ok_or_else(bad)?), u64::from_le_bytes(take(&mut rest).ok_or_else(bad)?));
            if of != batch || count != seen {
                let how = format!("it says that it is of batch {of} with {count} parts and has {seen}");
                return Err(CheckpointError::damaged(path, how));
            }
            return Ok(());
        }
        while !rest.is_empty() {
            visit(Raw::take(&mut rest).ok_or_else(bad)?).ok_or_else(bad)??;
        }
        seen += 1;
    }
}

/// Removes what no batch from `batch` on needs: older snapshots than the newest one not after it, and deltas that lie
/// before that.
///
/// # Errors
/// The disk's.
pub fn purge(disk: &dyn Disk, dir: &Path, batch: u64) -> Result<(), CheckpointError> {
    let all = snapshots(disk, dir)?;
    let Some((kept, _)) = all.iter().rfind(|(n, _)| *n <= batch) else { return Ok(()) };
    let deltas = numbered(disk, dir, "delta")?;
    let old = deltas.windows(2).filter(|pair| pair[1].0 <= kept + 1).map(|pair| &pair[0].1);
    for path in all.iter().filter(|(n, _)| n < kept).map(|(_, path)| path).chain(old) {
        disk.remove(path).map_err(CheckpointError::io("removed", path))?;
    }
    Ok(())
}

/// Removes what is there of batch `next` and later ones: those batches run again, and what they wrote then must not be
/// taken for what they write now. With `sync`, no power loss brings it back.
///
/// # Errors
/// The disk's.
pub fn forget(disk: &dyn Disk, dir: &Path, next: u64, sync: bool) -> Result<(), CheckpointError> {
    let files = [numbered(disk, dir, "delta")?, numbered(disk, dir, "snapshot")?];
    super::log::remove_all(disk, dir, files.iter().flatten().filter(|(n, _)| *n >= next).map(|(_, path)| path), sync)
}

/// The deltas of a partition.
///
/// # Errors
/// The disk's.
pub fn deltas(disk: &dyn Disk, dir: &Path) -> Result<Vec<PathBuf>, CheckpointError> {
    Ok(numbered(disk, dir, "delta")?.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::super::simulated::SimulatedDisk;
    use super::super::snapshot::write_snapshot;
    use super::*;
    use std::collections::BTreeMap;

    /// The rows of a keyed list by key, and those of a list that leaves by time.
    #[derive(Clone, Debug, Default, PartialEq)]
    struct Model {
        keyed: BTreeMap<i64, Vec<u8>>,
        timed: Vec<(i64, i64)>,
    }

    const KEYED: u8 = 0;
    const TIMED: u8 = 3;

    fn keyed(rows: &[(i64, Vec<u8>)]) -> Block {
        let mut block = Block::new(rows.len());
        block.numbers(rows.iter().map(|(key, _)| *key));
        block.bytes(rows.iter().map(|(_, value)| &value[..]));
        block
    }

    fn loaded(disk: &SimulatedDisk, last: u64) -> Result<Model, CheckpointError> {
        let mut model = Model::default();
        load(disk, Path::new("/s/0"), last, &mut |list, rows| {
            let mut columns = rows.reader();
            let numbers = columns.numbers()?;
            if list == KEYED {
                for (key, value) in numbers.iter().zip(columns.bytes()?) {
                    assert!(model.keyed.insert(*key, value.to_vec()).is_none());
                }
            } else {
                model.timed.extend(numbers.iter().copied().zip(columns.numbers()?.iter().copied()));
            }
            columns.is_done().then_some(())
        })?;
        Ok(model)
    }

    /// Batches 0 to 39, some of which change nothing; the rows after each that did.
    fn filled(disk: &SimulatedDisk) -> Vec<(u64, Model)> {
        let mut log = StateLog::new("/s/0".into(), None, 0);
        let (mut now, mut all) = (Model::default(), Vec::new());
        for batch in (0..40u64).filter(|b| b % 7 != 3) {
            let mut changes = log.changes(disk, batch);
            for i in 0..20u64 {
                let key = ((batch * 31 + i * 17) % 50) as i64;
                if (batch + i) % 5 == 0 {
                    let mut keys = Block::new(1);
                    keys.numbers(std::iter::once(key));
                    changes.remove(KEYED, &keys);
                    now.keyed.remove(&key);
                } else {
                    let value = vec![batch as u8; i as usize];
                    changes.put(KEYED, 1, &keyed(&[(key, value.clone())]));
                    now.keyed.insert(key, value);
                }
            }
            let rows: Vec<(i64, i64)> = (0..6).map(|i| ((batch as i64 * 10 + i * 13) % 90, batch as i64 * 100 + i)).collect();
            let mut block = Block::new(rows.len());
            block.numbers(rows.iter().map(|(leaves, _)| *leaves));
            block.numbers(rows.iter().map(|(_, number)| *number));
            changes.add(TIMED, Some(0), &block);
            now.timed.extend(rows);
            if batch % 4 == 1 {
                let until = batch as i64 % 60;
                changes.remove_until(TIMED, until);
                now.timed.retain(|(leaves, _)| *leaves > until);
            }
            assert!(changes.finish().unwrap().is_some());
            all.push((batch, now.clone()));
            if batch % 9 == 8 {
                log.roll();
                assert!(write_snapshot(disk, Path::new("/s/0"), batch, true, &|| true).unwrap().is_none());
                assert!(write_snapshot(disk, Path::new("/s/0"), batch, true, &|| false).unwrap().is_some());
            }
        }
        all
    }

    #[test]
    fn the_state_after_every_batch_comes_back() {
        let disk = SimulatedDisk::default();
        let all = filled(&disk);
        for (batch, rows) in &all {
            assert_eq!(&loaded(&disk, *batch).unwrap(), rows, "batch {batch}");
        }
        purge(&disk, Path::new("/s/0"), 30).unwrap();
        for (batch, rows) in all.iter().filter(|(b, _)| *b >= 30) {
            assert_eq!(&loaded(&disk, *batch).unwrap(), rows, "batch {batch}");
        }
        assert!(loaded(&disk, 3).is_err());
    }

    #[test]
    fn any_change_of_a_file_is_told_or_does_not_matter() {
        let disk = SimulatedDisk::default();
        let (last, rows) = filled(&disk).pop().unwrap();
        let mut refused = 0;
        for path in disk.paths() {
            let length = disk.read(&path).unwrap().len();
            for at in (0..length).step_by(11).chain([length - 1]) {
                for cut in [false, true] {
                    let whole = disk.read(&path).unwrap();
                    disk.damage(&path, |b| if cut { b.truncate(at) } else { b[at] ^= 1 << (at % 8) });
                    match loaded(&disk, last) {
                        Ok(read) => assert_eq!(read, rows, "{} at {at}", path.display()),
                        Err(error) => {
                            refused += 1;
                            assert!(error.to_string().contains("/s/0"), "{error}");
                        }
                    }
                    disk.damage(&path, |b| *b = whole);
                }
            }
        }
        assert!(refused > 50, "{refused}");
    }

    #[test]
    fn whole_blocks_are_merged() {
        let (disk, dir) = (SimulatedDisk::default(), Path::new("/s/0"));
        let mut log = StateLog::new(dir.into(), None, 0);
        let mut now = Model::default();
        for batch in 0..6i64 {
            let mut changes = log.changes(&disk, batch as u64);
            // Some keys are replaced in each batch, those of the first block in the last one only.
            let rows: Vec<(i64, Vec<u8>)> = (batch * 6000..batch * 6000 + 8000).map(|k| (k % 26_000, vec![batch as u8; 2])).collect();
            changes.put(KEYED, 1, &keyed(&rows));
            now.keyed.extend(rows);
            let rows: Vec<(i64, i64)> = (0..5000).map(|i| (batch * 5000 + i, batch * 10_000 + i)).collect();
            let mut block = Block::new(rows.len());
            block.numbers(rows.iter().map(|(leaves, _)| *leaves));
            block.numbers(rows.iter().map(|(_, number)| *number));
            changes.add(TIMED, Some(0), &block);
            changes.remove_until(TIMED, batch * 3000);
            now.timed.extend(rows);
            now.timed.retain(|(leaves, _)| *leaves > batch * 3000);
            changes.finish().unwrap();
            assert_eq!(loaded(&disk, batch as u64).unwrap(), now, "batch {batch}");
            if batch % 2 == 1 {
                log.roll();
                write_snapshot(&disk, dir, batch as u64, true, &|| false).unwrap();
                assert_eq!(loaded(&disk, batch as u64).unwrap(), now, "the snapshot of batch {batch}");
            }
        }
    }

    #[test]
    fn a_big_batch_counts_only_with_its_last_part() {
        let disk = SimulatedDisk::default();
        let mut log = StateLog::new("/s/0".into(), None, 0);
        let rows = |batch: i64| (0..200).map(|i| (batch * 1000 + i, vec![i as u8; 9000])).collect::<Vec<_>>();
        let mut put = |batch: u64| {
            let mut changes = log.changes(&disk, batch);
            for lot in rows(batch as i64).chunks(10) {
                changes.put(KEYED, 1, &keyed(lot));
            }
            changes.finish().unwrap();
        };
        put(0);
        let path = disk.paths().pop().unwrap();
        let first = disk.read(&path).unwrap().len();
        put(1);
        assert_eq!(loaded(&disk, 1).unwrap().keyed.len(), 400);
        write_snapshot(&disk, Path::new("/s/0"), 1, true, &|| false).unwrap();
        assert_eq!(loaded(&disk, 1).unwrap().keyed.len(), 400);
        disk.remove(Path::new("/s/0/1.snapshot")).unwrap();
        // Batch 1 has several parts, and the last is gone.
        let length = disk.read(&path).unwrap().len();
        assert!(length > first + 3 * (256 << 10));
        disk.damage(&path, |bytes| bytes.truncate(length - 1));
        assert!(loaded(&disk, 1).is_err());
        assert_eq!(loaded(&disk, 0).unwrap().keyed, rows(0).into_iter().collect());
    }
}
