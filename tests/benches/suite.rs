//! The whole default suite: wall time of `hostel run`.

use anyhow::Result;
use std::time::Instant;
use tests::bench::{Samples, is_short, print, print_head};
use tests::{TestVm, host};

/// Target of the project, on software KVM.
const SUITE_S: f64 = 5.0;

fn main() -> Result<()> {
    if !host::has_kvm() {
        return Ok(());
    }
    print_head("suite");
    let mut times = Samples::default();
    for _ in 0..if is_short() { 1 } else { 5 } {
        let vm = TestVm::builder();
        let start = Instant::now();
        let ended = vm.run()?;
        times.0.push(start.elapsed().as_secs_f64());
        if ended.status.code() != Some(0) {
            println!("  {}", ended.stderr.lines().next().unwrap_or("it failed"));
        }
    }
    print("hostel run, default suite", &times, "s", Some(SUITE_S));
    Ok(())
}
