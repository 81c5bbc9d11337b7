//! The state of one partition of one operator on disk: keys and values in bytes.
//!
//! ```text
//! state/<operator>/<partition>/
//!   N.snapshot   everything as after batch N, sorted by key
//!   N.delta      what batches from N on changed, a frame a batch; only ever appended to
//!   file  = 16 bytes that say what it is, frame*
//!   frame = length u32, CRC-32 u32, payload
//! ```
//! Each frame names the batch before it that changed this partition, so that none can be missing unseen. The
//! state after a batch is the newest snapshot not after it and the frames between them. What a file holds of
//! the first batch of a later one, or of batches after that, does not count any more.

use super::CheckpointError;
use super::log::numbered;
use super::storage::{Disk, DiskFile};
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

/// What the files begin with; the version is its last character.
const DELTA: &[u8; 16] = b"eddyline delta 1";
const SNAPSHOT: &[u8; 16] = b"eddyline snaps 1";
/// Bytes of a snapshot's frame, about.
const BLOCK: usize = 1 << 20;
/// What marks the last frame of a snapshot.
const END: u8 = 1;

/// What a batch changes in one partition.
#[derive(Debug, Default)]
pub struct Changes {
    entries: Vec<u8>,
    count: u64,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Changes {
    /// Puts an entry, in place of any under its key; `write` appends the key and the value.
    pub fn put(&mut self, write: impl FnOnce(&mut Vec<u8>, &mut Vec<u8>)) {
        self.key.clear();
        self.value.clear();
        write(&mut self.key, &mut self.value);
        self.entries.push(1);
        put_bytes(&self.key, &mut self.entries);
        put_bytes(&self.value, &mut self.entries);
        self.count += 1;
    }

    /// Removes the entry of a key, if there is one.
    pub fn remove(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.key.clear();
        write(&mut self.key);
        self.entries.push(0);
        put_bytes(&self.key, &mut self.entries);
        self.count += 1;
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The changes in order: keys, and values where they are put.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Option<&[u8]>)> {
        let mut rest = &self.entries[..];
        std::iter::from_fn(move || if rest.is_empty() { None } else { take_entry(&mut rest) })
    }
}

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
}

/// A file that was written to, and whether its name is new.
pub struct Written {
    /// The file.
    pub path: PathBuf,
    /// Its directory has to be synced, too.
    pub new: bool,
}

impl StateLog {
    /// The partition kept in `dir`, whose last frame is that of batch `last`, by a run that begins with batch `next`: of
    /// that and later ones nothing counts that is there.
    pub fn new(dir: PathBuf, last: Option<u64>, next: u64) -> StateLog {
        StateLog { dir, open: None, last, before: last, next: Some(next), frames: 0, bytes: 0, made: last.is_some() }
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

    /// Frames and bytes since the last snapshot was asked for.
    pub fn since_snapshot(&self) -> (u64, u64) {
        (self.frames, self.bytes)
    }

    /// Where the partition is kept.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Appends what a batch changed; it is written, not synced.
    ///
    /// # Errors
    /// The disk's. The next frame goes into a new file then.
    pub fn append(&mut self, disk: &dyn Disk, batch: u64, changes: &Changes) -> Result<Written, CheckpointError> {
        let appended = self.try_append(disk, batch, changes);
        match &appended {
            Ok(_) => self.before = self.last.replace(batch),
            Err(_) => self.open = None,
        }
        appended
    }

    fn try_append(&mut self, disk: &dyn Disk, batch: u64, changes: &Changes) -> Result<Written, CheckpointError> {
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
        let mut payload = Vec::with_capacity(changes.entries.len() + 32);
        put_number(batch, &mut payload);
        put_number(self.last.map_or(0, |b| b + 1), &mut payload);
        put_number(changes.count, &mut payload);
        payload.extend_from_slice(&changes.entries);
        write_frame(&mut **file, &payload).map_err(CheckpointError::io("written", path))?;
        self.frames += 1;
        self.bytes += payload.len() as u64;
        Ok(Written { path: path.clone(), new })
    }

    /// The next frame goes into a new file, so that those before it can be merged.
    pub fn roll(&mut self) {
        self.open = None;
        (self.frames, self.bytes) = (0, 0);
    }
}

fn write_frame(file: &mut (impl Write + ?Sized), payload: &[u8]) -> io::Result<()> {
    let length = u32::try_from(payload.len()).map_err(|_| io::Error::other("a batch changes more than 4 GB of one partition"))?;
    let mut head = [0; 8];
    head[..4].copy_from_slice(&length.to_le_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&head[..4]);
    crc.update(payload);
    head[4..].copy_from_slice(&crc.finalize().to_le_bytes());
    if payload.len() < 1 << 16 {
        // One call, so that a kill leaves all of it or nothing.
        return file.write_all(&[&head, payload].concat());
    }
    file.write_all(&head)?;
    file.write_all(payload)
}

/// The payload of the next frame; `None` at the end, or where the file ends in the middle of one.
fn read_frame(file: &mut dyn Read, path: &Path) -> Result<Option<Vec<u8>>, CheckpointError> {
    let mut head = [0; 8];
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

/// The frames of a partition after batch `after` up to and with batch `last`, as payloads without their heads.
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
        while reached != Some(last) {
            let payload = match read_frame(&mut file, path) {
                Err(error @ CheckpointError::Damaged { .. }) => {
                    suspect.get_or_insert(error);
                    break;
                }
                other => match other? {
                    Some(payload) => payload,
                    None => break,
                },
            };
            let mut rest = &payload[..];
            let (Some(batch), Some(before)) = (take_number(&mut rest), take_number(&mut rest)) else {
                return Err(CheckpointError::damaged(path, "a part of it does not say its batch"));
            };
            if batch >= until || batch > last {
                break;
            }
            if after.is_some_and(|a| batch <= a) {
                continue;
            }
            if before != reached.map_or(0, |b| b + 1) {
                let how = format!("what batch {} changed is missing before batch {batch}", before.saturating_sub(1));
                return Err(suspect.unwrap_or_else(|| CheckpointError::damaged(path, how)));
            }
            reached = Some(batch);
            out.push(rest.to_vec());
        }
    }
    if reached == Some(last) {
        return Ok(out);
    }
    Err(suspect.unwrap_or_else(|| CheckpointError::damaged(&looked_at, format!("what batch {last} changed is missing"))))
}

/// A key with what was put under it; `None` where it was removed.
type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// Entries of frames by key: the last change of each; `None` is a removal.
fn latest<'a>(frames: &'a [Vec<u8>], dir: &Path) -> Result<Vec<Change<'a>>, CheckpointError> {
    let bad = || CheckpointError::damaged(dir, "an entry of a delta cannot be read");
    let mut all: HashMap<&[u8], Option<&[u8]>, ahash::RandomState> = HashMap::default();
    for frame in frames {
        let mut rest = &frame[..];
        for _ in 0..take_number(&mut rest).ok_or_else(bad)? {
            let (key, value) = take_entry(&mut rest).ok_or_else(bad)?;
            all.insert(key, value);
        }
    }
    let mut sorted: Vec<_> = all.into_iter().collect();
    sorted.sort_unstable_by(|a, b| a.0.cmp(b.0));
    Ok(sorted)
}

/// The snapshots of a partition by batch.
fn snapshots(disk: &dyn Disk, dir: &Path) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
    numbered(disk, dir, "snapshot")
}

/// Takes a key and its value; `None` when they do not fit.
pub type Each<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Option<()>;

/// Calls `visit` with every key and value that the partition has after batch `last`, in the order of keys.
///
/// # Errors
/// Files that are missing or not as they were written; they are named.
pub fn load(disk: &dyn Disk, dir: &Path, last: u64, visit: Each<'_>) -> Result<(), CheckpointError> {
    let base = snapshots(disk, dir)?.into_iter().rfind(|(batch, _)| *batch <= last);
    let frames = frames(disk, dir, base.as_ref().map(|(b, _)| *b), last)?;
    let changed = latest(&frames, dir)?;
    let mut refused = false;
    merged(disk, base.as_ref(), &changed, &mut |key, value| {
        refused |= visit(key, value).is_none();
        Ok(())
    })?;
    if refused { Err(CheckpointError::damaged(dir, "an entry is of another kind than this query keeps")) } else { Ok(()) }
}

type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), CheckpointError>;

/// A snapshot with changes on top, in the order of keys.
fn merged(disk: &dyn Disk, base: Option<&(u64, PathBuf)>, changed: &[Change<'_>], visit: Visit<'_>) -> Result<(), CheckpointError> {
    let mut changes = changed.iter().peekable();
    if let Some((batch, path)) = base {
        read_snapshot(disk, path, *batch, &mut |key, value| {
            while let Some((k, v)) = changes.next_if(|(k, _)| *k < key) {
                if let Some(v) = v {
                    visit(k, v)?;
                }
            }
            match changes.next_if(|(k, _)| *k == key) {
                Some((k, Some(v))) => visit(k, v),
                Some((_, None)) => Ok(()),
                None => visit(key, value),
            }
        })?;
    }
    for (k, v) in changes {
        if let Some(v) = v {
            visit(k, v)?;
        }
    }
    Ok(())
}

fn read_snapshot(disk: &dyn Disk, path: &Path, batch: u64, visit: Visit<'_>) -> Result<(), CheckpointError> {
    let mut file = io::BufReader::new(disk.open(path).map_err(CheckpointError::io("read", path))?);
    check_head(&mut file, path, SNAPSHOT)?;
    let bad = || CheckpointError::damaged(path, "a part of it cannot be read");
    let mut seen = 0;
    loop {
        let Some(payload) = read_frame(&mut file, path)? else {
            return Err(CheckpointError::damaged(path, "its end is missing"));
        };
        let (kind, mut rest) = payload.split_first().ok_or_else(bad)?;
        if *kind == END {
            let (of, count) = (take_number(&mut rest).ok_or_else(bad)?, take_number(&mut rest).ok_or_else(bad)?);
            if of != batch || count != seen {
                return Err(CheckpointError::damaged(
                    path,
                    format!("it says that it is of batch {of} with {count} entries and has {seen}"),
                ));
            }
            return Ok(());
        }
        while !rest.is_empty() {
            let (Some(key), Some(value)) = (take_bytes(&mut rest), take_bytes(&mut rest)) else { return Err(bad()) };
            visit(key, value)?;
            seen += 1;
        }
    }
}

/// Writes the snapshot of batch `last` from the newest one before it and the deltas since; live state is not looked at.
/// The bytes written.
///
/// # Errors
/// The disk's; files that are missing or not as they were written.
pub fn write_snapshot(disk: &dyn Disk, dir: &Path, last: u64, sync: bool) -> Result<u64, CheckpointError> {
    let base = snapshots(disk, dir)?.into_iter().rfind(|(batch, _)| *batch <= last);
    if base.as_ref().is_some_and(|(batch, _)| *batch == last) {
        return Ok(0);
    }
    let frames = frames(disk, dir, base.as_ref().map(|(b, _)| *b), last)?;
    let changed = latest(&frames, dir)?;
    let path = dir.join(format!("{last}.snapshot"));
    let temporary = dir.join(format!("{last}.snapshot.tmp"));
    let mut file = disk.create(&temporary).map_err(CheckpointError::io("made", &temporary))?;
    let wrote = |result: io::Result<()>| result.map_err(CheckpointError::io("written", &temporary));
    wrote(file.write_all(SNAPSHOT))?;
    let (mut block, mut count, mut bytes) = (vec![0u8], 0u64, 0u64);
    merged(disk, base.as_ref(), &changed, &mut |key, value| {
        put_bytes(key, &mut block);
        put_bytes(value, &mut block);
        count += 1;
        if block.len() >= BLOCK {
            bytes += block.len() as u64;
            wrote(write_frame(&mut *file, &block))?;
            block.truncate(1);
        }
        Ok(())
    })?;
    wrote(write_frame(&mut *file, &block))?;
    bytes += block.len() as u64;
    let mut end = vec![END];
    put_number(last, &mut end);
    put_number(count, &mut end);
    wrote(write_frame(&mut *file, &end))?;
    if sync {
        file.sync().map_err(CheckpointError::io("synced", &temporary))?;
    }
    drop(file);
    disk.rename(&temporary, &path).map_err(CheckpointError::io("renamed", &path))?;
    if sync {
        disk.sync_dir(dir).map_err(CheckpointError::io("synced", dir))?;
    }
    Ok(bytes)
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

fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7F) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0u64, 0);
    loop {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7F).checked_shl(shift)?;
        if first & 0x80 == 0 {
            return Some(number);
        }
        shift += 7;
    }
}

fn put_bytes(value: &[u8], out: &mut Vec<u8>) {
    put_number(value.len() as u64, out);
    out.extend_from_slice(value);
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(take_number(bytes)?).ok()?;
    let (head, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(head)
}

fn take_entry<'a>(bytes: &mut &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
    let (kind, rest) = bytes.split_first()?;
    *bytes = rest;
    let key = take_bytes(bytes)?;
    match kind {
        0 => Some((key, None)),
        1 => Some((key, Some(take_bytes(bytes)?))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::simulated::SimulatedDisk;
    use super::*;
    use std::collections::BTreeMap;

    type Map = BTreeMap<Vec<u8>, Vec<u8>>;

    fn loaded(disk: &SimulatedDisk, last: u64) -> Result<Map, CheckpointError> {
        let mut map = Map::new();
        load(disk, Path::new("/s/0"), last, &mut |k, v| {
            assert!(map.insert(k.to_vec(), v.to_vec()).is_none());
            Some(())
        })?;
        Ok(map)
    }

    /// Batches 0 to 39, some of which change nothing; the map after each that did.
    fn filled(disk: &SimulatedDisk) -> Vec<(u64, Map)> {
        let mut log = StateLog::new("/s/0".into(), None, 0);
        let (mut now, mut all) = (Map::new(), Vec::new());
        for batch in (0..40u64).filter(|b| b % 7 != 3) {
            let mut changes = Changes::default();
            for i in 0..20 {
                let key = ((batch * 31 + i * 17) % 50).to_be_bytes().to_vec();
                if (batch + i) % 5 == 0 {
                    changes.remove(|k| k.extend_from_slice(&key));
                    now.remove(&key);
                } else {
                    let value = vec![batch as u8; i as usize];
                    changes.put(|k, v| {
                        k.extend_from_slice(&key);
                        v.extend_from_slice(&value);
                    });
                    now.insert(key, value);
                }
            }
            log.append(disk, batch, &changes).unwrap();
            all.push((batch, now.clone()));
            if batch % 9 == 8 {
                log.roll();
                write_snapshot(disk, Path::new("/s/0"), batch, true).unwrap();
            }
        }
        all
    }

    #[test]
    fn the_state_after_every_batch_comes_back() {
        let disk = SimulatedDisk::default();
        let all = filled(&disk);
        for (batch, map) in &all {
            assert_eq!(&loaded(&disk, *batch).unwrap(), map, "batch {batch}");
        }
        purge(&disk, Path::new("/s/0"), 30).unwrap();
        for (batch, map) in all.iter().filter(|(b, _)| *b >= 30) {
            assert_eq!(&loaded(&disk, *batch).unwrap(), map, "batch {batch}");
        }
        assert!(loaded(&disk, 3).is_err());
    }

    #[test]
    fn any_change_of_a_file_is_told_or_does_not_matter() {
        let disk = SimulatedDisk::default();
        let (last, map) = filled(&disk).pop().unwrap();
        let mut refused = 0;
        for path in disk.paths() {
            let length = disk.read(&path).unwrap().len();
            for at in (0..length).step_by(11).chain([length - 1]) {
                for cut in [false, true] {
                    let whole = disk.read(&path).unwrap();
                    disk.damage(&path, |b| if cut { b.truncate(at) } else { b[at] ^= 1 << (at % 8) });
                    match loaded(&disk, last) {
                        Ok(read) => assert_eq!(read, map, "{} at {at}", path.display()),
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
}
