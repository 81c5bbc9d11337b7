//! Writes snapshots: a partition's rows from the last one and the deltas since, in blocks of a good size.

use super::CheckpointError;
use super::block::{Block, LOT};
use super::changes::put_rows;
use super::merge::Live;
use super::state::{END, HEAD, SNAPSHOT, merged, snapshots, write_sealed};
use super::storage::{Disk, DiskFile};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Bytes of a part, about.
const FULL: usize = 1 << 20;
/// Bytes of a block, about.
const WIDE: usize = 1 << 20;

/// Writes the snapshot of batch `last` from the newest one before it and the deltas since; live state is not looked at.
/// The bytes written; `None` when `stop` said that nobody wants it any more.
///
/// # Errors
/// The disk's; files that are missing or not as they were written.
pub(super) fn write_snapshot(
    disk: &dyn Disk,
    dir: &Path,
    last: u64,
    sync: bool,
    stop: &dyn Fn() -> bool,
) -> Result<Option<u64>, CheckpointError> {
    if snapshots(disk, dir)?.iter().any(|(batch, _)| *batch == last) {
        return Ok(Some(0));
    }
    let path = dir.join(format!("{last}.snapshot"));
    let temporary = dir.join(format!("{last}.snapshot.tmp"));
    let file = disk.create(&temporary).map_err(CheckpointError::io("made", &temporary))?;
    let mut writer = SnapshotWriter { file, part: Vec::new(), pending: BTreeMap::new(), parts: 0, bytes: 0 };
    let wrote = |result: io::Result<()>| result.map_err(CheckpointError::io("written", &temporary));
    wrote(writer.file.write_all(SNAPSHOT))?;
    let mut stopped = false;
    merged(disk, dir, last, &mut |live| {
        stopped |= stop();
        if stopped { Ok(()) } else { wrote(writer.take_in(&live)) }
    })?;
    if stopped {
        drop(writer);
        disk.remove(&temporary).map_err(CheckpointError::io("removed", &temporary))?;
        return Ok(None);
    }
    wrote(writer.finish(last))?;
    let SnapshotWriter { mut file, bytes, .. } = writer;
    if sync {
        file.sync().map_err(CheckpointError::io("synced", &temporary))?;
    }
    drop(file);
    disk.rename(&temporary, &path).map_err(CheckpointError::io("renamed", &path))?;
    if sync {
        disk.sync_dir(dir).map_err(CheckpointError::io("synced", dir))?;
    }
    Ok(Some(bytes))
}

/// Puts rows that stay together into blocks of a good size.
struct SnapshotWriter {
    file: Box<dyn DiskFile>,
    /// Room for its head, then entries.
    part: Vec<u8>,
    pending: BTreeMap<u8, (Option<usize>, Option<usize>, Block)>,
    parts: u64,
    bytes: u64,
}

impl SnapshotWriter {
    fn take_in(&mut self, live: &Live<'_>) -> io::Result<()> {
        let waits = self.pending.contains_key(&live.list);
        if live.kept.is_none() && !waits && live.rows.rows() >= LOT / 2 {
            self.settle(live.list)?;
            self.begin();
            self.part.extend_from_slice(live.raw.bytes);
            return self.write_full();
        }
        let (_, _, block) = self.pending.entry(live.list).or_insert_with(|| (live.keys, live.leaves, Block::default()));
        let all: Vec<u32>;
        let kept = match live.kept {
            Some(kept) => kept,
            None => {
                all = (0..live.rows.rows() as u32).collect();
                &all
            }
        };
        if !block.append(live.rows, kept) {
            return Err(io::Error::other("rows of one list have different columns"));
        }
        if block.rows() >= LOT || block.size() >= WIDE {
            self.settle(live.list)?;
        }
        Ok(())
    }

    /// Writes what waits of the lists up to one: rows of a list may speak of rows of those before it.
    fn settle(&mut self, list: u8) -> io::Result<()> {
        while let Some(first) = self.pending.first_entry().filter(|first| *first.key() <= list) {
            let (list, (keys, leaves, block)) = first.remove_entry();
            self.begin();
            put_rows(list, keys, leaves, &block, &mut self.part);
            self.write_full()?;
        }
        Ok(())
    }

    fn begin(&mut self) {
        if self.part.is_empty() {
            self.part.resize(HEAD + 1, 0);
        }
    }

    fn write_full(&mut self) -> io::Result<()> {
        if self.part.len() >= FULL { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> io::Result<()> {
        self.parts += 1;
        self.bytes += self.part.len() as u64;
        write_sealed(&mut *self.file, &mut self.part)?;
        self.part.clear();
        Ok(())
    }

    fn finish(&mut self, batch: u64) -> io::Result<()> {
        self.settle(u8::MAX)?;
        if !self.part.is_empty() {
            self.write()?;
        }
        let mut end = vec![0; HEAD];
        end.push(END);
        end.extend_from_slice(&batch.to_le_bytes());
        end.extend_from_slice(&self.parts.to_le_bytes());
        write_sealed(&mut *self.file, &mut end)
    }
}
