//! The worker pool that all queries of a session share.

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

/// Bytes of stack of threads that evaluate expressions: a chain of thousands of operators is walked by recursion. Only
/// what is used takes memory.
pub const STACK: usize = 256 << 20;

/// Threads that do the CPU work of batches; a query's own thread only waits and decides.
#[derive(Debug)]
pub struct Pool {
    threads: rayon::ThreadPool,
    width: usize,
}

impl Pool {
    /// A pool of `width` threads, one per core when it is 0.
    pub fn new(width: usize) -> Result<Pool, super::EngineError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let width = if width == 0 { cores } else { width };
        let threads = rayon::ThreadPoolBuilder::new()
            .num_threads(width)
            .thread_name(|i| format!("worker-{i}"))
            .stack_size(STACK)
            .build()
            .map_err(|e| super::EngineError::external(format!("worker threads could not be started: {e}")))?;
        Ok(Pool { threads, width })
    }

    /// How many threads work at once.
    pub fn width(&self) -> usize {
        self.width
    }

    /// `work` of every item, in parallel; results in the items' order. One item runs on the calling thread:
    /// handing it over costs more than a small batch.
    pub fn map<I: Send, O: Send>(&self, items: Vec<I>, work: impl Fn(I) -> O + Sync + Send) -> Vec<O> {
        if items.len() <= 1 {
            return items.into_iter().map(work).collect();
        }
        self.threads.install(|| items.into_par_iter().with_max_len(1).map(work).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order() {
        let pool = Pool::new(2).unwrap();
        assert_eq!(pool.map((0..100).collect(), |n: i32| n * 2), (0..100).map(|n| n * 2).collect::<Vec<_>>());
        assert_eq!(pool.map(Vec::<i32>::new(), |n| n), Vec::<i32>::new());
    }
}
