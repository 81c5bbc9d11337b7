//! State larger than memory: how much of it may be in memory, and where the rest goes.
//!
//! ```text
//! operator ─ tables in memory (the fast tier) ─┐ at commit, above the bound: what was touched longest ago
//!            partition ─ Cold ─────────────────┴→ one Store a query, on disk
//! ```
//!
//! A group, a join key's rows or a key's sessions are in one of the tiers, never in both. A batch brings back what
//! it touches before it works on it, and what the watermark closes; that is no change of the state, so that a batch
//! that fails leaves it where it is. The store is scratch: a restart reads the checkpoint, as without it.

mod cold;
mod filter;
mod folder;
mod store;

pub use cold::{Bundle, Bundles, Cold, Found, garbled};
pub use folder::{IN_CHECKPOINT, clear};

use self::folder::Folder;
use self::store::{Sizes, Store};
use super::slots::Slots;
use crate::engine::{EngineError, Resources};
use std::cmp::Reverse;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Rows that a restart brings between two looks at the memory.
const LOOK_EVERY: usize = 1 << 14;
/// Rows that are read from disk at once where all are.
pub const CHUNK: usize = 1 << 16;

/// The least that cache and write buffer take each, and the most, in bytes.
const LEAST: u64 = 1 << 20;
const MOST: u64 = 64 << 20;

/// How much state may be in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpillSettings {
    /// `spark.sql.streaming.stateStore.rocksdb.maxMemoryUsageMB`, in bytes; 0: what no batch is at work on is on disk.
    pub bytes: u64,
    /// `spark.sql.streaming.stateStore.rocksdb.boundedMemoryUsage`: the bound is for all queries together, not for each.
    pub shared: bool,
}

/// Memory in use by the tables of all queries of a session that share a bound.
#[derive(Default)]
struct SharedUse(Arc<AtomicU64>);

/// What the operators of one query share.
pub struct Spill {
    settings: SpillSettings,
    used: Arc<AtomicU64>,
    resources: Resources,
    checkpoint: Option<PathBuf>,
    /// The name of its folder where there is no checkpoint.
    name: String,
    store: Mutex<Option<Arc<Store>>>,
    failure: Mutex<Option<EngineError>>,
}

impl Spill {
    /// For one query, which is known as `name` nowhere else; without anything on disk until something has to go there.
    pub fn new(settings: SpillSettings, resources: &Resources, checkpoint: Option<PathBuf>, name: String) -> Arc<Spill> {
        let used = if settings.shared { Arc::clone(&resources.shared::<SharedUse>().0) } else { Arc::default() };
        let resources = resources.clone();
        Arc::new(Spill { settings, used, resources, checkpoint, name, store: Mutex::default(), failure: Mutex::default() })
    }

    /// The part of operator `number`.
    pub fn tier(self: &Arc<Spill>, number: usize) -> Tier {
        Tier { spill: Arc::clone(self), operator: number as u8, used: 0, brought: 0 }
    }

    /// The store, opened when it is asked for first.
    fn store(&self) -> Result<Arc<Store>, EngineError> {
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = &*store {
            return Ok(Arc::clone(store));
        }
        let folder = match &self.checkpoint {
            Some(dir) => Folder::in_checkpoint(dir)?,
            None => Folder::temporary(&self.name)?,
        };
        let part = (self.settings.bytes / 8).clamp(LEAST, MOST);
        let opened = Arc::new(Store::open(folder, Sizes { cache: part, buffer: part / 2 })?);
        *store = Some(Arc::clone(&opened));
        Ok(opened)
    }

    /// Bytes that are left for tables.
    fn bound(&self) -> u64 {
        let store = 2 * (self.settings.bytes / 8).min(MOST);
        self.settings.bytes - store
    }

    /// Remembers a failure for the next `check`.
    fn fail(&self, error: EngineError) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// What failed since the last call.
    ///
    /// # Errors
    /// That.
    fn check(&self) -> Result<(), EngineError> {
        if let Some(error) = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner).clone();
        store.map_or(Ok(()), |store| store.check())
    }
}

/// One operator's part of what its query keeps on disk.
pub struct Tier {
    spill: Arc<Spill>,
    operator: u8,
    /// Memory that it said it uses.
    used: u64,
    /// Rows that a restart has brought since the last look at the memory.
    brought: usize,
}

/// Does something with the cold part of a partition, where it has anything, and with the partition beside it.
///
/// # Errors
/// Those of `work`.
pub fn beside<P>(
    partition: &mut P,
    cold: fn(&mut P) -> &mut Option<Cold>,
    work: impl FnOnce(&mut P, &mut Cold) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let Some(mut taken) = cold(partition).take_if(|c| !c.is_empty()) else { return Ok(()) };
    let outcome = work(partition, &mut taken);
    *cold(partition) = Some(taken);
    outcome
}

impl Tier {
    /// The cold part of one of `partitions` partitions, with nothing in it.
    pub fn cold(&self, partition: usize, partitions: usize) -> Cold {
        let filter = self.spill.settings.bytes / 4 / partitions.max(1) as u64;
        Cold::new(Arc::clone(&self.spill), self.operator, partition as u16, filter)
    }

    /// Moves to disk what the operator's partitions have too much in memory with everybody else's: down to half of its
    /// part, so that the next batches find room; with `all`, all of it. `spill` brings a partition down to so many
    /// bytes; what fails is told by the next `check`.
    pub fn settle<T: Send>(
        &mut self,
        partitions: &mut [T],
        all: bool,
        bytes: impl Fn(&T) -> usize + Sync + Send,
        spill: impl Fn(&mut T, usize) -> Result<(), EngineError> + Sync + Send,
    ) {
        let total: usize = partitions.iter().map(&bytes).sum();
        self.uses(total as u64);
        let (used, bound) = (self.spill.used.load(Ordering::Relaxed), self.spill.bound());
        if used <= bound {
            return;
        }
        // Of what all use together, each keeps the same part.
        let keeps = |own: usize| if all { 0 } else { (u128::from(bound) * own as u128 / u128::from(used) / 2) as usize };
        let pool = self.spill.resources.pool();
        let done = pool.map(partitions.iter_mut().collect(), |p: &mut T| {
            let target = keeps(bytes(p));
            spill(p, target)
        });
        done.into_iter().filter_map(Result::err).for_each(|error| self.spill.fail(error));
        let after: usize = partitions.iter().map(&bytes).sum();
        self.uses(after as u64);
    }

    /// A restart brought some more rows. Whether it is time to look at the memory: then all of them go to disk.
    pub fn brings(&mut self, rows: usize) -> bool {
        self.brought += rows;
        let look = self.brought >= LOOK_EVERY;
        if look {
            self.brought = 0;
        }
        look
    }

    /// Says how much memory they use now.
    fn uses(&mut self, bytes: u64) {
        self.spill.used.fetch_add(bytes, Ordering::Relaxed);
        self.spill.used.fetch_sub(self.used, Ordering::Relaxed);
        self.used = bytes;
    }

    /// What failed since the last call: a query goes on only without.
    ///
    /// # Errors
    /// That.
    pub fn check(&self) -> Result<(), EngineError> {
        self.spill.check()
    }

    /// What the session's queries share.
    pub fn resources(&self) -> Resources {
        self.spill.resources.clone()
    }

    /// Bytes of the query's files.
    pub fn disk_bytes(&self) -> u64 {
        let store = self.spill.store.lock().unwrap_or_else(PoisonError::into_inner).clone();
        store.map_or(0, |store| store.disk_bytes())
    }
}

/// In which batch each slot was touched last.
#[derive(Default)]
pub struct Recency {
    stamps: Slots<u32>,
    now: u32,
}

impl Recency {
    /// A batch begins.
    pub fn begin(&mut self) {
        self.now += 1;
    }

    /// A slot is touched.
    #[inline]
    pub fn touch(&mut self, slot: u32) {
        self.stamps.put(slot as usize, self.now, &0);
    }

    /// The last batch that touched a slot.
    pub fn of(&self, slot: u32) -> u32 {
        if self.stamps.len() > slot as usize { self.stamps[slot as usize] } else { 0 }
    }

    /// Takes over when a slot was touched.
    pub fn keep(&mut self, slot: u32, stamp: u32) {
        self.stamps.put(slot as usize, stamp, &0);
    }

    /// An empty one that goes on from here.
    #[must_use]
    pub fn next(&self) -> Recency {
        Recency { stamps: Slots::default(), now: self.now }
    }
}

/// Puts those of `slots` in front that may stay in memory: as many as take `target` of `bytes`, touched last. How many
/// they are.
pub fn staying(slots: &mut [u32], target: usize, bytes: usize, touched: impl Fn(u32) -> u32) -> usize {
    let quota = (slots.len() as u128 * target as u128 / bytes.max(1) as u128) as usize;
    if quota < slots.len() {
        slots.select_nth_unstable_by_key(quota, |slot| Reverse(touched(*slot)));
    }
    quota.min(slots.len())
}

impl Drop for Tier {
    fn drop(&mut self) {
        self.uses(0);
    }
}
