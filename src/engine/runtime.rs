//! The one small tokio runtime: sockets, timers and signals live on it, queries do not.

use std::sync::OnceLock;
use tokio::runtime::{Builder, Handle, Runtime};

/// Two threads keep one busy socket from holding up another's reconnect; the work per byte is small.
const THREADS: usize = 2;

/// The runtime, started at first use and kept until the process ends.
///
/// # Panics
/// When the operating system refuses to start a thread, which leaves nothing to go on with.
pub fn handle() -> &'static Handle {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            Builder::new_multi_thread()
                .worker_threads(THREADS)
                .thread_name("eddy-io")
                .enable_all()
                .build()
                .expect("the operating system gives threads for the I/O runtime")
        })
        .handle()
}
