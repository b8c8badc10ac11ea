//! An experiment for tests, and results of its runs.

use super::experiment::{Changes, Experiment};
use super::file::{FileError, Source};
use super::result::Outcome;
use super::vm::Ended;
use crate::suite::{CheckResult, Said, Series};
use abi::record::{Outcome as CheckOutcome, Subsystem};

pub(super) const TEXT: &str = r#"title = "One & two"
about = "Two policies\n on <three> sizes."
family = "scheduling"
tries = 2

[set]
unit = 20
word = "a"

[short]
unit = 4

[[run]]
name = "{policy}-{size}"
each = { policy = ["fcfs", "sjf"], size = [1, 2, 3] }
program = "hello"
args = "policy={policy} size={size} unit={unit} {word}"
expect = ["faults >= size_of_run"]

[[run]]
name = "other"
program = "hello"
args = ""

[figures]
size_of_run = "size * 1"
scaled = "faults / unit"

[table]
columns = ["faults", "wait_ns", "scaled"]

[[chart]]
kind = "curve"
x = "size"
y = "faults"
by = "policy"

[[chart]]
kind = "bars"
y = "wait_ns"

[[chart]]
kind = "gantt"
series = "slices"

[[chart]]
kind = "histogram"
series = "latency"

[verdict]
expect = ["sjf-1.faults = 10 within 5%", "other says 'safe'"]
sentence = "{sjf-3.faults} faults instead of {fcfs-3.faults}."
"#;

/// The experiment that a text is.
pub(super) fn read(text: &str, changes: &Changes) -> Result<Experiment, FileError> {
    let source = Source {
        name: "mine.toml",
        text,
    };
    Experiment::read("mine", &source, changes)
}

pub(super) fn experiment() -> Experiment {
    read(TEXT, &Changes::default()).expect("it makes sense")
}

fn check(id: &str, nth: u64) -> CheckResult {
    let metrics = [("faults", 10 + nth), ("wait_ns", 1500)];
    CheckResult {
        id: id.to_owned(),
        subsystem: Subsystem::Scheduling,
        outcome: CheckOutcome::Pass,
        detail: String::new(),
        metrics: metrics.map(|(name, value)| (name.to_owned(), value)).into(),
        said: Said::default(),
    }
}

fn series(labels: &[&str], columns: &[&str], numbers: &[u64]) -> Series {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    Series {
        labels: owned(labels),
        columns: owned(columns),
        numbers: numbers.to_vec(),
    }
}

/// What a VM gives that does all runs of [`experiment`] well.
pub(super) fn ended() -> Ended {
    let names = ["fcfs-1", "fcfs-2", "fcfs-3", "sjf-1", "sjf-2", "sjf-3"];
    let mut checks: Vec<CheckResult> = (0..).zip(names).map(|(nth, id)| check(id, nth)).collect();
    checks[3].metrics.insert("faults".to_owned(), 10);
    let slices = series(
        &["long", "short"],
        &["task", "cpu", "from_ns", "to_ns"],
        &[0, 0, 0, 1000, 1, 1, 0, 500, 1, 0, 1000, 1500],
    );
    let latency = series(&[], &["latency_ns", "count"], &[100, 5, 200, 9, 800, 1]);
    let said = &mut checks[0].said.series;
    said.insert("slices".to_owned(), slices);
    said.insert("latency".to_owned(), latency);
    let mut other = check("other", 0);
    other.said.lines.push("safe: P1 <b>\u{1b}[2J".to_owned());
    checks.push(other);
    Ended {
        checks,
        trouble: None,
    }
}

/// What [`experiment`] comes to when that is what a VM gives.
pub(super) fn outcome(experiment: &Experiment, ended: Ended) -> Outcome<'_> {
    Outcome::of(experiment, Ok(ended), String::new())
}
