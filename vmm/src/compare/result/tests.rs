//! What samples come to, and how paths stand to each other.

use super::*;
use crate::accounting::Tally;
use crate::compare::meter::{Cpu, Span};
use crate::compare::plan;
use crate::compare::testing::{comparison, figures, path};
use crate::compare::{Guest, Wishes};
use crate::kvm::ExitKind;
use crate::suite::{CheckResult, Said};
use abi::metric::PARTIAL;
use abi::record::Subsystem;
use devices::bus::DeviceId;
use std::collections::BTreeMap;

fn ratios(comparison: &Comparison) -> Vec<Option<Ratio>> {
    comparison.paths.iter().map(|path| path.ratio).collect()
}

#[test]
fn a_path_is_measured_by_the_best_that_is_emulated() {
    let ratios = ratios(&comparison());
    assert_eq!(ratios[0], Some(Ratio::Baseline));
    assert_eq!(
        ratios[1],
        Some(Ratio::Same),
        "a twentieth is inside the spread"
    );
    assert_eq!(ratios[2], Some(Ratio::Times(10.0)));
    assert_eq!(ratios[3], None, "it failed");
}

#[test]
fn without_an_emulated_path_the_slowest_is_the_measure() {
    let mut comparison = comparison();
    comparison.paths.drain(..2);
    let slow = PathOutcome::Figures(Box::new(figures(4e6, 0.0)));
    comparison.paths.push(path("slow", Model::Direct, slow));
    comparison.relate();
    let times = Some(Ratio::Times(4.0));
    assert_eq!(ratios(&comparison), [times, None, Some(Ratio::Baseline)]);
}

#[test]
fn where_all_failed_nothing_is_compared() {
    let mut comparison = comparison();
    comparison.paths.drain(..3);
    comparison.relate();
    assert_eq!(ratios(&comparison), [None]);
    assert_eq!(comparison.failures(), ["reading by broken"]);
}

/// Two runs of the first path of the first workload.
fn runs() -> Vec<Run> {
    let wishes = Wishes {
        workloads: vec!["block-random".to_owned()],
        paths: vec!["ide-pio".to_owned()],
        runs: 2,
        cpus: 1,
        report: None,
        out: None,
        guest: Guest::BuiltIn,
    };
    plan::plan(&wishes).unwrap()
}

fn sample(outcome: Outcome, metrics: &[(&str, u64)]) -> Sample {
    let tally = Tally {
        count: 30,
        accesses: 300,
        ns: 1_000_000,
    };
    let metrics = metrics
        .iter()
        .map(|(name, value)| ((*name).to_owned(), *value));
    Sample {
        check: CheckResult {
            id: String::new(),
            subsystem: Subsystem::Io,
            outcome,
            detail: "bad\x1b[2J\nnews".to_owned(),
            metrics: metrics.collect(),
            said: Said::default(),
        },
        span: Some(Span {
            tallies: vec![(ExitKind::PioRead, DeviceId(0), tally)],
            cpu: Cpu {
                user_ns: 0,
                kernel_ns: 0,
                guest_ns: 0,
                vcpu_ns: 3_000_000,
            },
            kernel: BTreeMap::from([("exits", 40)]),
            fallen_bytes: 0,
        }),
    }
}

const WELL: &[(&str, u64)] = &[
    ("operations", 10),
    ("operation_bytes", 4096),
    ("elapsed_ns", 10_000_000),
    ("interrupts", 10),
    ("handler_ns", 5_000),
    ("bad name\x1b", 1),
    ("latency_40", 10),
];

fn one(samples: Vec<Sample>) -> PathResult {
    let devices = vec!["ide".to_owned()];
    let mut all = compare(&runs(), 1, Samples { devices, samples });
    assert_eq!(all.len(), 1);
    all[0].paths.remove(0)
}

#[test]
fn counts_are_an_operation_over_all_runs() {
    let path = one(vec![
        sample(Outcome::Pass, WELL),
        sample(Outcome::Pass, WELL),
    ]);
    let figures = path.figures().unwrap();
    assert_eq!((figures.exits, figures.accesses), (3.0, 30.0));
    assert_eq!(figures.operation_ns.median, 1e6);
    assert_eq!(figures.exits_by["pio_read ide"], 3.0);
    assert_eq!(figures.kernel["exits"], 4.0);
    assert_eq!(path.textbook_accesses, Some(2048 + 7));
    let latency = figures.latency.as_ref().unwrap();
    assert_eq!(latency.buckets[0].operations, 20);
    assert_eq!(figures.more.len(), 1, "what is no word is left out");
    assert_eq!(figures.more["handler_ns"], 500.0);
    let split = figures.split.unwrap();
    assert_eq!(
        (split.guest_ns, split.exits_ns, split.waiting_ns),
        (200_000.0, 100_000.0, 700_000.0)
    );
}

#[test]
fn what_is_not_on_a_host_has_no_figures_and_has_not_failed() {
    let absent = || sample(Outcome::Pass, &[(ABSENT, 1)]);
    let path = one(vec![absent(), absent()]);
    assert_eq!(path.outcome, PathOutcome::Absent);
    assert_eq!(path.lack().unwrap().text(), "not in this VM");
    let mut comparison = comparison();
    comparison.paths.push(path);
    assert_eq!(comparison.failures(), ["reading by broken"]);
    // Half of it is no whole.
    let path = one(vec![absent(), sample(Outcome::Fail, &[])]);
    assert!(matches!(path.outcome, PathOutcome::Failed(_)));
}

#[test]
fn time_that_counts_in_part_is_not_split() {
    let partial = [WELL, &[(PARTIAL, 1)]].concat();
    let path = one(vec![sample(Outcome::Pass, &partial)]);
    let figures = path.figures().unwrap();
    assert_eq!((figures.split, figures.more.len()), (None, 1));
}

#[test]
fn a_run_that_failed_or_says_nothing_spoils_its_path() {
    let path = one(vec![
        sample(Outcome::Pass, WELL),
        sample(Outcome::Fail, WELL),
    ]);
    assert_eq!(path.outcome, PathOutcome::Failed("bad[2J news".to_owned()));
    for metrics in [
        &[][..],
        &[("operations", 0), ("elapsed_ns", 5)],
        &[("operations", 5), ("elapsed_ns", 0)],
    ] {
        let samples = vec![sample(Outcome::Pass, WELL), sample(Outcome::Pass, metrics)];
        assert_eq!(one(samples).figures(), None, "{metrics:?}");
    }
}
