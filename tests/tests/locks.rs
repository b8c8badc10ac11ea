//! The lock checker of the guest's kernel: faults on purpose are named instead of hanging.

use anyhow::{Result, ensure};
use std::time::Duration;
use tests::{TestVm, host, require_kvm};

/// A fault of `crash=`, which is to be told in these words.
fn tells(crash: &str, words: &[&str]) -> Result<()> {
    let timeout = host::patience(Duration::from_secs(60));
    let vm = TestVm::builder().cpus(2).arg("--suite").arg("none");
    let vm = vm.arg("--append").arg(format!("crash={crash}"));
    let vm = vm
        .timeout(timeout.as_secs())
        .deadline(timeout + Duration::from_secs(20));
    let ended = vm.run()?.expect(4)?;
    let told = String::from_utf8_lossy(&ended.stdout);
    for word in words {
        ensure!(told.contains(word), "no {word:?} in:\n{told}");
    }
    Ok(())
}

#[test]
fn a_handler_that_takes_a_lock_of_what_it_interrupted_is_named() -> Result<()> {
    require_kvm!();
    tells(
        "lock-twice",
        &["spin lock of", "Sleeper", "taken twice on one processor"],
    )
}

#[test]
fn interrupts_that_are_on_while_a_lock_is_held_are_named() -> Result<()> {
    require_kvm!();
    tells(
        "lock-interrupts",
        &["interrupt", "where a lock may be held"],
    )
}

#[test]
fn processors_that_wait_for_each_others_locks_are_named() -> Result<()> {
    require_kvm!();
    let words = [
        "deadlock of processors",
        "kernel::crash::",
        "which waits for one held by",
    ];
    tells("lock-order", &words)
}
