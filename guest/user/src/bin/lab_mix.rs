//! Laboratory: threads that compute and wait for devices, under a scheduling policy.
//!
//! `policy=NAME [slice_us=N] run_ms=N [cpus=MASK] NAME=CPU_US:DEVICE_US[:WORD]...`, a
//! thread each ([`Habit`]). Says of each what processor time it had, how often it came round, how long
//! that took after its device had answered, and how long it waited at most; and how the processor and
//! the devices were used.
#![no_std]
#![no_main]

use user::alloc::format;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::lab::mix::{self, Deeds, Habit, Report};
use user::{ensure, sys};

user::check!(run);

/// Arguments that are no threads.
const OWN: [&str; 4] = ["policy", "slice_us", "run_ms", "cpus"];

fn run(check: &mut Check) -> Verdict {
    let policy = check.text("policy")?;
    let slice_us = check.value_or("slice_us", 0)?;
    let run_ns = check.value("run_ms")? * 1_000_000;
    let cpus = check.value_or("cpus", 1)?;
    let habits = check
        .named_all()
        .filter(|(name, _)| !OWN.contains(name))
        .map(|(name, text)| Habit::parse(name, text))
        .collect::<Result<Vec<_>, Failure>>()?;
    ensure!(
        !habits.is_empty(),
        "there is no thread NAME=CPU_US:DEVICE_US"
    );
    sys::set_affinity(cpus).context("cpus: a processor each bit")?;
    let report = mix::run(&habits, run_ns, (policy, slice_us))?;
    say_each(check, &habits, &report);
    say_all(check, &report);
    if habits.iter().any(Habit::has_device) {
        check.line("a device is a time that passes: its thread sleeps for it")?;
    }
    Ok(())
}

fn say_each(check: &mut Check, habits: &[Habit], report: &Report) {
    for (habit, deeds) in habits.iter().zip(&report.deeds) {
        let name = habit.name;
        check.metric(format!("{name}_ran_ns"), deeds.ran_ns);
        check.metric(format!("{name}_worst_wait_ns"), deeds.worst_wait_ns);
        if deeds.rounds > 0 {
            check.metric(format!("{name}_rounds"), deeds.rounds);
            check.metric(
                format!("{name}_latency_ns"),
                deeds.latency_ns / deeds.rounds,
            );
            check.metric(format!("{name}_worst_latency_ns"), deeds.worst_latency_ns);
        }
    }
}

fn say_all(check: &mut Check, report: &Report) {
    let sum = |of: fn(&Deeds) -> u64| report.deeds.iter().map(of).sum::<u64>();
    let (before, after) = (report.before, report.after);
    let switches = after.context_switches - before.context_switches;
    check.metric("elapsed_ns", report.elapsed_ns);
    check.metric("busy_ns", sum(|deeds| deeds.ran_ns));
    check.metric("device_ns", sum(|deeds| deeds.device_ns));
    check.metric("rounds", sum(|deeds| deeds.rounds));
    check.metric("switches", switches);
    check.metric(
        "switch_ns",
        (after.switch_ns - before.switch_ns) / switches.max(1),
    );
    check.metric("preemptions", after.preemptions - before.preemptions);
    check.metric("fairness_millionths", fairness(&report.deeds));
    let waits = report.deeds.iter().map(|deeds| deeds.worst_wait_ns);
    check.metric("worst_wait_ns", waits.max().unwrap_or(0));
}

/// Jain's index of the processor times, in millionths: all the same is 1, one for all is 1/n (Jain,
/// Chiu, Hawe: DEC-TR-301, 1984).
fn fairness(deeds: &[Deeds]) -> u64 {
    let times = deeds.iter().map(|deeds| u128::from(deeds.ran_ns / 1000));
    let sum: u128 = times.clone().sum();
    let squares: u128 = times.map(|time| time * time).sum();
    let index = sum * sum * 1_000_000 / (squares * deeds.len() as u128).max(1);
    u64::try_from(index).unwrap_or(u64::MAX)
}
