//! [`Figures`]: what the samples of a path come to, an operation.

use super::latency::{self, Latency};
use super::session::Sample;
use super::spread::Spread;
use crate::kvm::ExitKind;
use abi::metric::{
    ELAPSED, GIVEN_BYTES, INTERRUPTS, NOTIFICATIONS, OPERATION_BYTES, OPERATIONS, PARTIAL,
    REQUESTS, STREAMED_BYTES,
};
use serde::Serialize;
use std::collections::BTreeMap;

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
    /// The same in the guest; on software KVM that is counted as the kernel's.
    pub(super) guest_ns: f64,
    /// Where the time of an operation goes, if the host says what its threads do.
    pub(super) split: Option<Split>,
    /// How long single operations took.
    pub(super) latency: Option<Latency>,
    /// What else the guest has measured, an operation.
    pub(super) more: BTreeMap<String, f64>,
}

/// Time of the vCPUs in nanoseconds an operation, all of them together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Split {
    /// On a processor, but for the next: the guest's code, and KVM for it.
    pub(super) guest_ns: f64,
    /// Handling exits in userspace.
    pub(super) exits_ns: f64,
    /// Halted or not run: devices' threads, and whoever else has the processor.
    pub(super) waiting_ns: f64,
}

impl Split {
    fn of(all_ns: f64, vcpu_ns: f64, exits_ns: f64) -> Option<Self> {
        let exits_ns = exits_ns.min(all_ns);
        let guest_ns = (vcpu_ns - exits_ns).clamp(0.0, all_ns - exits_ns);
        (vcpu_ns > 0.0).then_some(Self {
            guest_ns,
            exits_ns,
            waiting_ns: all_ns - exits_ns - guest_ns,
        })
    }
}

/// Metrics of a program that have a field in [`Figures`] or a use of their own, and what the host
/// adds.
const KNOWN: &[&str] = &[
    OPERATIONS,
    OPERATION_BYTES,
    ELAPSED,
    INTERRUPTS,
    NOTIFICATIONS,
    REQUESTS,
    GIVEN_BYTES,
    STREAMED_BYTES,
    PARTIAL,
    "exits",
    "took_ns",
];
/// Most others of a path, and the longest name of one.
const MORE: usize = 6;
const MORE_CHARS: usize = 20;

/// Names of the other metrics of a path.
fn others(samples: &[Sample]) -> Vec<&str> {
    let names = samples.first().into_iter();
    let names = names.flat_map(|sample| sample.check.metrics.keys());
    let others = names.filter(|name| {
        let is_word = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let fits = !name.is_empty() && name.len() <= MORE_CHARS && is_word(name);
        fits && !KNOWN.contains(&name.as_str()) && !latency::is_bucket(name)
    });
    others.take(MORE).map(String::as_str).collect()
}

/// What the guest has measured under that name.
fn metric(sample: &Sample, name: &str) -> Option<u64> {
    sample.check.metrics.get(name).copied()
}

/// What the marks of a run take themselves is the port's that they are written to.
const MARK_DEVICE: &str = "mark";

/// Bytes of an operation, where it has bytes.
pub(super) fn operation_bytes(samples: &[Sample]) -> Option<u64> {
    let mut bytes = samples.iter().map(|sample| metric(sample, OPERATION_BYTES));
    bytes.next().flatten()
}

/// Figures of samples that went well, if they hold what is needed.
pub(super) fn figures(samples: &[Sample], cpus: u8, devices: &[String]) -> Option<Figures> {
    let value = |sample: &Sample, name: &str| Some(metric(sample, name)? as f64);
    let sum = |name: &str| {
        let values = samples.iter().map(|sample| value(sample, name));
        values.sum::<Option<f64>>()
    };
    let per_run = |value: &dyn Fn(&Sample) -> Option<f64>| {
        Spread::of(samples.iter().map(value).collect::<Option<_>>()?)
    };
    let done = |sample: &Sample| {
        let values = [OPERATIONS, ELAPSED].map(|name| value(sample, name));
        values
            .into_iter()
            .all(|value| value.is_some_and(|value| value > 0.0))
    };
    if !samples.iter().all(done) {
        return None;
    }
    let operations = sum(OPERATIONS)?;
    let rate = |sample: &Sample| Some(value(sample, OPERATIONS)? / value(sample, ELAPSED)? * 1e9);
    let (mut exits_by, mut kernel) = (BTreeMap::new(), BTreeMap::new());
    let [mut exits, mut accesses, mut exit_ns] = [0.0; 3];
    let [mut user_ns, mut kernel_ns, mut guest_ns, mut vcpu_ns] = [0.0; 4];
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
        vcpu_ns += span.cpu.vcpu_ns as f64;
    }
    let all_ns = sum(ELAPSED)? * f64::from(cpus) / operations;
    let more = others(samples).into_iter();
    let more = more.filter_map(|name| Some((name.to_owned(), sum(name)? / operations)));
    Some(Figures {
        operations_per_second: per_run(&rate)?,
        operation_ns: per_run(&|sample| Some(1e9 / rate(sample)?))?,
        bytes_per_second: per_run(&|sample| Some(rate(sample)? * value(sample, OPERATION_BYTES)?)),
        exits: exits / operations,
        exits_by,
        accesses: accesses / operations,
        doorbells: sum(NOTIFICATIONS).unwrap_or(0.0) / operations,
        interrupts: sum(INTERRUPTS).unwrap_or(0.0) / operations,
        kernel,
        requests: sum(REQUESTS).unwrap_or(0.0) / operations,
        exit_ns: exit_ns / operations,
        user_ns: user_ns / operations,
        kernel_ns: kernel_ns / operations,
        guest_ns: guest_ns / operations,
        split: Split::of(all_ns, vcpu_ns / operations, exit_ns / operations)
            .filter(|_| sum(PARTIAL).is_none()),
        latency: Latency::of(samples.iter().map(|sample| &sample.check.metrics)),
        more: more.collect(),
    })
}
