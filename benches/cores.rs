//! How much faster two cores are than one.

use super::median;
use super::workloads::WORKLOADS;
use std::path::Path;
use std::process::Command;

const RUNS: usize = 5;

/// Prints a line for each workload; nothing but a word where processes cannot be bound to a core.
pub(crate) fn run(root: &Path) {
    if !Command::new("taskset").arg("--version").output().is_ok_and(|o| o.status.success()) {
        return println!("\ncores         not measured: there is no `taskset`");
    }
    println!("\n{:<13} {:>9} {:>9} {:>7}   budget 1.5 for words, window and keys", "cores", "one, s", "two, s", "faster");
    for workload in WORKLOADS {
        let mut runs = [(); 2].map(|()| Vec::new());
        // In turn, so that both meet the same machine.
        for _ in 0..RUNS {
            for (at, cores) in ["0", "0,1"].into_iter().enumerate() {
                runs[at].push(workload.run(root, None, Some(cores)).0);
            }
        }
        let [one, two] = runs.map(median);
        println!("{:<13} {one:>9.3} {two:>9.3} {:>7.2}", workload.name, one / two);
    }
}
