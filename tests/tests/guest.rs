//! The built-in guest: its suites pass on every shape of machine, and the report says so.

use anyhow::{Result, ensure};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tests::{Builder, Ended, TestVm, host, require_kvm};

/// Quick, and of all subsystems.
const SMOKE: &str = "smoke";

fn suite(name: &str) -> Builder {
    patient(TestVm::builder().arg("--suite").arg(name))
}

/// On a host that is slow a suite may take longer than users have patience for.
fn patient(vm: Builder) -> Builder {
    const TIMEOUT: Duration = Duration::from_secs(180);
    let vm = vm.report().deadline(TIMEOUT + Duration::from_secs(20));
    vm.timeout(host::patience(TIMEOUT).as_secs())
}

/// Runs a suite, whose checks are to pass, all of them. One at a time: some checks measure when
/// who runs, and a virtual processor that waits for a real one looks as if it stood still.
fn passes(vm: Builder) -> Result<Ended> {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let ended = vm.run()?.expect(0)?;
    drop(alone);
    ensure!(ended.stderr.is_empty(), "{}", ended.stderr);
    let report = ended.report()?;
    let checks = report.checks();
    ensure!(!checks.is_empty(), "no checks");
    ensure!(
        checks.iter().all(|(_, outcome)| *outcome == "pass"),
        "{checks:?}"
    );
    ensure!(report.halt() == "power_off", "{}", report.halt());
    Ok(ended)
}

fn keys(value: &Value) -> BTreeSet<&str> {
    let object = value.as_object().into_iter().flatten();
    object.map(|(key, _)| key.as_str()).collect()
}

/// The report has the fields that it should, with values that make sense.
fn report_is_whole(report: &Value) -> Result<()> {
    let top = [
        "hostel",
        "host",
        "vm",
        "timeline_us",
        "unknown_msrs",
        "checks",
        "exits",
        "coalesced",
        "refused",
        "disk_failures",
        "halt",
        "vmm_overhead_bytes",
    ];
    ensure!(keys(report) == BTreeSet::from(top), "{:?}", keys(report));
    let kind = report["host"]["kvm"].as_str();
    ensure!(matches!(kind, Some("hardware" | "software")), "{kind:?}");
    let overhead = report["vmm_overhead_bytes"].as_u64();
    ensure!(overhead.is_some_and(|bytes| bytes > 0), "{overhead:?}");
    timeline_is_ordered(&report["timeline_us"])?;
    for check in report["checks"].as_array().into_iter().flatten() {
        let fields = BTreeSet::from(["id", "subsystem", "outcome", "metrics"]);
        let mut own = keys(check);
        // Who has nothing more to say has none of these.
        own.retain(|key| !["lines", "series"].contains(key));
        ensure!(own == fields, "{check}");
        ensure!(check["metrics"]["exits"].is_u64(), "{check}");
    }
    let rows = ["exits", "coalesced"].map(|table| report[table].as_array());
    for row in rows.into_iter().flatten().flatten() {
        let fields = BTreeSet::from(["kind", "device", "count", "total_ns", "p50_ns", "p99_ns"]);
        ensure!(keys(row) == fields, "{row}");
        ensure!(row["count"].as_u64() > Some(0), "{row}");
    }
    Ok(())
}

fn timeline_is_ordered(timeline: &Value) -> Result<()> {
    let points = [
        "vm_created",
        "first_run",
        "guest_kernel",
        "guest_user",
        "ended",
    ];
    ensure!(keys(timeline) == BTreeSet::from(points), "{timeline}");
    let times: Vec<Option<u64>> = points.map(|point| timeline[point].as_u64()).to_vec();
    ensure!(
        times.iter().all(Option::is_some) && times.is_sorted(),
        "{timeline}"
    );
    Ok(())
}

#[test]
fn the_default_suite_passes_and_is_reported_whole() -> Result<()> {
    require_kvm!();
    let ended = passes(patient(TestVm::builder()))?;
    let report = ended.report()?;
    ensure!(
        report.checks().len() >= 15,
        "{} checks",
        report.checks().len()
    );
    report_is_whole(&report.json)?;
    let checks = report.json["checks"].as_array().into_iter().flatten();
    let subsystems: BTreeSet<_> = checks.filter_map(|c| c["subsystem"].as_str()).collect();
    ensure!(
        subsystems == BTreeSet::from(["scheduling", "memory", "io"]),
        "{subsystems:?}"
    );
    ensure!(
        report.exits("mmio_write", "virtio-console") > 0,
        "exits of devices"
    );
    for (id, _) in report.checks() {
        ensure!(
            ended.text().contains(id),
            "the table lacks {id}:\n{}",
            ended.text()
        );
    }
    let widest = ended.text().lines().map(|line| line.chars().count()).max();
    ensure!(widest <= Some(80), "{widest:?} columns:\n{}", ended.text());
    Ok(())
}

#[test]
fn the_default_suite_passes_on_four_processors() -> Result<()> {
    require_kvm!();
    passes(suite("default").cpus(4))?;
    Ok(())
}

#[test]
fn the_default_suite_passes_over_either_transport() -> Result<()> {
    require_kvm!();
    for cpus in [1, 2] {
        let pci = passes(suite("default").cpus(cpus).transport("pci"))?;
        let mmio = passes(suite("default").cpus(cpus).transport("mmio"))?;
        let reads = pci.report()?.exits("mmio_read", "pci");
        ensure!(reads > 0, "PCI is looked at");
        // By a line, each interrupt is acknowledged; by a message, none.
        let by_message = pci.report()?.exits("mmio_write", "virtio-blk0");
        let by_line = mmio.report()?.exits("mmio_write", "virtio-blk0");
        ensure!(
            by_message < 50 && by_line > 2 * by_message,
            "{cpus} processors: {by_message} exits by messages, {by_line} by lines"
        );
    }
    Ok(())
}

#[test]
fn suites_pass_with_little_and_with_much_memory() -> Result<()> {
    require_kvm!();
    for memory in ["16M", "5G"] {
        passes(suite(SMOKE).memory(memory))?;
    }
    Ok(())
}

#[test]
fn suites_pass_on_the_serial_console() -> Result<()> {
    require_kvm!();
    let ended = passes(suite(SMOKE).arg("--console").arg("serial"))?;
    let serial = ended.report()?.exits("pio_write", "serial");
    ensure!(serial > 100, "only {serial} writes to the serial port");
    Ok(())
}

#[test]
fn every_suite_passes_under_the_other_policies() -> Result<()> {
    require_kvm!();
    // The default suite and policies have tests of their own.
    for name in vmm::guest::suite_names().filter(|name| *name != "default") {
        let ended = passes(suite(name).append("sched=priority replacement=fifo"))?;
        let named = ended.report()?.json["vm"]["suite"].clone();
        ensure!(named == name, "{name}: the report says {named}");
    }
    Ok(())
}

#[test]
fn a_panic_of_the_kernel_is_shown_with_registers_and_backtrace() -> Result<()> {
    require_kvm!();
    let vm = TestVm::builder()
        .arg("--suite")
        .arg("none")
        .append("init=bin/none");
    let ended = vm.report().run()?.expect_line(4, &["panicked"])?;
    let text = ended.text();
    for part in [
        "panicked on cpu 0",
        "cannot start bin/none",
        "rbp ffffffff8",
        "kernel::start",
    ] {
        ensure!(text.contains(part), "no {part:?} in:\n{text}");
    }
    ensure!(ended.report()?.halt() == "guest_panic", "the reason");
    Ok(())
}

#[test]
fn a_check_without_a_result_fails_the_run() -> Result<()> {
    require_kvm!();
    // The suite's own program never starts: no check reports.
    let ended = suite(SMOKE).append("init=bin/hello").run()?;
    let ended = ended
        .expect(1)?
        .expect_words(&["hostel: checks failed: sched.cpus"])?;
    let checks = ended.report()?.checks();
    ensure!(
        checks.iter().all(|(_, outcome)| *outcome == "fail"),
        "{checks:?}"
    );
    Ok(())
}
