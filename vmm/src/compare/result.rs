//! What the samples of a path come to: medians with their spread, and counts an operation.

use super::plan::Run;
use super::session::{Sample, Samples};
use crate::kvm::ExitKind;
use abi::record::Outcome;
use serde::Serialize;
use std::collections::BTreeMap;

/// A median with the least and the most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Spread {
    /// The middle one.
    pub(super) median: f64,
    /// The least.
    pub(super) min: f64,
    /// The most.
    pub(super) max: f64,
}

impl Spread {
    /// Of at least one value.
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let median = match values.len() % 2 {
            0 if middle > 0 => (values[middle - 1] + values[middle]) / 2.0,
            _ => *values.get(middle)?,
        };
        Some(Self {
            median,
            min: *values.first()?,
            max: *values.last()?,
        })
    }

    /// Whether two cannot be told apart: each reaches into the other.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.min <= other.max && other.min <= self.max
    }
}

/// Figures of a path. Those an operation are over all runs together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Figures {
    /// Operations a second.
    pub(super) operations_per_second: Spread,
    /// Time of an operation in nanoseconds, as all threads together get on.
    pub(super) operation_ns: Spread,
    /// Bytes a second, where an operation has bytes.
    pub(super) bytes_per_second: Option<Spread>,
    /// Exits to userspace an operation.
    pub(super) exits: f64,
    /// The same by kind and device.
    pub(super) exits_by: BTreeMap<String, f64>,
    /// Accesses to device registers an operation that userspace saw.
    pub(super) accesses: f64,
    /// Doorbells an operation that userspace did not see.
    pub(super) doorbells: f64,
    /// Interrupts of devices an operation.
    pub(super) interrupts: f64,
    /// Page faults of the guest's program an operation.
    pub(super) page_faults: f64,
    /// What KVM itself counted an operation, by its names: `exits` are those to KVM, of which few
    /// come as far as userspace.
    pub(super) kernel: BTreeMap<&'static str, f64>,
    /// Requests that reached the device, an operation.
    pub(super) requests: f64,
    /// Time of exits in userspace, in nanoseconds an operation.
    pub(super) exit_ns: f64,
    /// Processor time of the host in user mode, in nanoseconds an operation.
    pub(super) user_ns: f64,
    /// The same in the kernel.
    pub(super) kernel_ns: f64,
    /// The same in the guest.
    pub(super) guest_ns: f64,
}

/// What came of a path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct PathResult {
    /// Its name.
    pub(super) path: &'static str,
    /// Its figures, or what spoilt them.
    #[serde(flatten)]
    pub(super) outcome: PathOutcome,
}

/// See [`PathResult`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PathOutcome {
    /// Every run went well.
    Figures(Figures),
    /// A run found something wrong.
    Failed(String),
}

/// What came of a workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Comparison {
    /// Its name.
    pub(super) workload: &'static str,
    /// What it is.
    pub(super) about: &'static str,
    /// Its paths, in the order of their table.
    pub(super) paths: Vec<PathResult>,
}

impl Comparison {
    /// Names of the paths without figures.
    pub(super) fn failures(&self) -> Vec<String> {
        let failed = self.paths.iter();
        let failed = failed.filter(|path| matches!(path.outcome, PathOutcome::Failed(_)));
        failed
            .map(|path| format!("{} by {}", self.workload, path.path))
            .collect()
    }
}

/// Sorts the samples by workload and path.
pub(super) fn compare(runs: &[Run], samples: Samples) -> Vec<Comparison> {
    let devices = samples.devices;
    let mut groups: Vec<(&Run, Vec<Sample>)> = Vec::new();
    for (run, sample) in runs.iter().zip(samples.samples) {
        let same = |(other, _): &&mut (&Run, Vec<Sample>)| {
            other.workload.name == run.workload.name && other.path.name == run.path.name
        };
        match groups.iter_mut().find(same) {
            Some((_, group)) => group.push(sample),
            None => groups.push((run, vec![sample])),
        }
    }
    let mut comparisons: Vec<Comparison> = Vec::new();
    for (run, group) in groups {
        let path = PathResult {
            path: run.path.name,
            outcome: outcome(&group, &devices),
        };
        match comparisons.last_mut() {
            Some(last) if last.workload == run.workload.name => last.paths.push(path),
            _ => comparisons.push(Comparison {
                workload: run.workload.name,
                about: run.workload.about,
                paths: vec![path],
            }),
        }
    }
    comparisons
}

fn outcome(samples: &[Sample], devices: &[String]) -> PathOutcome {
    let failed = samples.iter().find(|s| s.check.outcome == Outcome::Fail);
    if let Some(failed) = failed {
        return PathOutcome::Failed(failed.check.detail.clone());
    }
    match figures(samples, devices) {
        Some(figures) => PathOutcome::Figures(figures),
        None => PathOutcome::Failed("the guest did not say what it measured".to_owned()),
    }
}

/// What the marks of a run take themselves is the port's that they are written to.
const MARK_DEVICE: &str = "mark";

fn figures(samples: &[Sample], devices: &[String]) -> Option<Figures> {
    let metric = |sample: &Sample, name: &str| Some(*sample.check.metrics.get(name)? as f64);
    let sum = |name: &str| {
        let values = samples.iter().map(|sample| metric(sample, name));
        values.sum::<Option<f64>>()
    };
    let per_run = |value: &dyn Fn(&Sample) -> Option<f64>| {
        Spread::of(samples.iter().map(value).collect::<Option<_>>()?)
    };
    let operations = sum("operations").filter(|operations| *operations > 0.0)?;
    let rate =
        |sample: &Sample| Some(metric(sample, "operations")? / metric(sample, "elapsed_ns")? * 1e9);
    let mut exits_by = BTreeMap::new();
    let [mut exits, mut accesses, mut exit_ns] = [0.0; 3];
    let mut kernel = BTreeMap::new();
    let [mut user_ns, mut kernel_ns, mut guest_ns] = [0.0; 3];
    for sample in samples {
        let span = sample.span.as_ref()?;
        for (kind, device, tally) in &span.tallies {
            let device = devices
                .get(usize::from(device.0))
                .map_or("none", String::as_str);
            if device == MARK_DEVICE {
                continue;
            }
            accesses += tally.accesses as f64;
            exit_ns += tally.ns as f64;
            if *kind != ExitKind::Coalesced {
                exits += tally.count as f64;
                let name = format!("{} {device}", kind.name());
                *exits_by.entry(name).or_insert(0.0) += tally.count as f64 / operations;
            }
        }
        for (name, count) in &span.kernel {
            *kernel.entry(*name).or_insert(0.0) += *count as f64 / operations;
        }
        user_ns += span.cpu.user_ns as f64;
        kernel_ns += span.cpu.kernel_ns as f64;
        guest_ns += span.cpu.guest_ns as f64;
    }
    Some(Figures {
        operations_per_second: per_run(&rate)?,
        operation_ns: per_run(&|sample| Some(1e9 / rate(sample)?))?,
        bytes_per_second: per_run(&|sample| {
            Some(rate(sample)? * metric(sample, "operation_bytes")?)
        }),
        exits: exits / operations,
        exits_by,
        accesses: accesses / operations,
        doorbells: sum("notifications").unwrap_or(0.0) / operations,
        interrupts: sum("interrupts").unwrap_or(0.0) / operations,
        page_faults: sum("page_faults").unwrap_or(0.0) / operations,
        kernel,
        requests: sum("requests").unwrap_or(0.0) / operations,
        exit_ns: exit_ns / operations,
        user_ns: user_ns / operations,
        kernel_ns: kernel_ns / operations,
        guest_ns: guest_ns / operations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_its_middle_least_and_most() {
        let spread = |values: &[f64]| Spread::of(values.to_vec());
        let of = |median, min, max| Some(Spread { median, min, max });
        assert_eq!(spread(&[3.0, 1.0, 2.0]), of(2.0, 1.0, 3.0));
        assert_eq!(spread(&[4.0, 1.0, 2.0, 3.0]), of(2.5, 1.0, 4.0));
        assert_eq!(spread(&[7.0]), of(7.0, 7.0, 7.0));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn what_reaches_into_each_other_cannot_be_told_apart() {
        let spread = |min, max| Spread {
            median: (min + max) / 2.0,
            min,
            max,
        };
        assert!(spread(1.0, 3.0).overlaps(&spread(2.0, 9.0)));
        assert!(!spread(1.0, 1.9).overlaps(&spread(2.0, 9.0)));
    }
}
