//! What a checkpoint costs: small batches without one, with one that waits for nothing and with one as by default, a sync
//! of this disk, and the five workloads of the shared benchmark with one beside without.

use super::workloads::{WORKLOADS, Workload};
use super::{EVENTS, ROWS, Random, line, median};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

const RUNS: usize = 5;
const SMALL_BATCHES: usize = 150;
const SYNCS: usize = 50;

/// Prints all of it.
pub(crate) fn run(root: &Path) {
    let sync = sync_millis(root);
    println!("\ncheckpoint    a sync of this disk after some hundred bytes: {sync:.2} ms");
    small_inputs(root);
    let small = Workload { streams: &[("s", "small/*.json", "json", EVENTS)], ..WORKLOADS[3] };
    let batch = |setting: Option<&str>| {
        let (_, _, progress) = small.run(root, setting, None);
        median(progress.iter().filter_map(|p| p["durationMs"]["triggerExecution"].as_f64()).collect())
    };
    let [without, none, offsets] = [None, Some("none"), Some("offsets")].map(batch);
    println!(
        "1,000 rows    median batch {without:.2} ms; none {none:.2} ms, {:.2} more (budget 2.00); offsets {offsets:.2} ms, {:.2} more (budget {:.2})",
        none - without,
        offsets - without,
        sync + 2.0
    );
    println!(
        "{:<13} {:>9} {:>9} {:>7}   {:>9} {:>9} {:>7}   budget 15 %",
        "workload", "without s", "with s", "more", "CPU s", "CPU s", "more"
    );
    for workload in WORKLOADS {
        let mut runs = [(); 4].map(|()| Vec::new());
        // In turn, so that both meet the same machine.
        for _ in 0..RUNS {
            for (at, setting) in [None, Some("offsets")].into_iter().enumerate() {
                let (seconds, cpu, _) = workload.run(root, setting, None);
                runs[at].push(seconds);
                runs[2 + at].push(cpu);
            }
        }
        let [without, with, cpu, cpu_with] = runs.map(median);
        let more = |a: f64, b: f64| (b / a - 1.0) * 100.0;
        println!(
            "{:<13} {without:>9.3} {with:>9.3} {:>5.0} %   {cpu:>9.2} {cpu_with:>9.2} {:>5.0} %",
            workload.name,
            more(without, with),
            more(cpu, cpu_with)
        );
    }
}

/// Milliseconds of a sync after an append of some hundred bytes.
fn sync_millis(root: &Path) -> f64 {
    let path = root.join("synced");
    let mut file = fs::File::create(&path).expect("the temporary directory is writable");
    let mut one = || {
        file.write_all(&[b'x'; 300]).expect("the disk takes it");
        let start = Instant::now();
        file.sync_data().expect("the disk syncs");
        start.elapsed().as_secs_f64() * 1e3
    };
    let times = (0..SYNCS).map(|_| one()).collect();
    let _ = fs::remove_file(&path);
    median(times)
}

/// Files of a thousand rows.
fn small_inputs(root: &Path) {
    let folder = root.join("small");
    if folder.join("done").exists() {
        return;
    }
    fs::create_dir_all(&folder).expect("the temporary directory is writable");
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    for file in 0..SMALL_BATCHES {
        let mut text = String::new();
        (0..ROWS / 100).for_each(|row| line("events", &mut random, file * ROWS / 100 + row, &mut text));
        fs::write(folder.join(format!("{file:03}.json")), text).expect("the temporary directory is writable");
    }
    fs::write(folder.join("done"), "").expect("the temporary directory is writable");
}
