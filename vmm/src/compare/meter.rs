//! [`Meter`]: what a VM costs between two marks of its guest.

use crate::accounting::{Tallies, Tally};
use crate::kvm::{ExitKind, KernelCounters};
use crate::memory::{GuestMemory, resident_bytes};
use crate::suite::ExitCounters;
use crate::vcpu_thread::VCPU_THREADS;
use abi::port::Mark;
use devices::bus::DeviceId;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Processor time of this process, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cpu {
    pub(super) user_ns: u64,
    pub(super) kernel_ns: u64,
    pub(super) guest_ns: u64,
    /// Of the threads of vCPUs, whatever they did; none where the kernel does not say.
    pub(super) vcpu_ns: u64,
}

impl Cpu {
    /// The difference. What is in the guest is rounded apart from what it is taken from, so that
    /// a share may have gone back a tick.
    fn since(self, earlier: Self) -> Self {
        Self {
            user_ns: self.user_ns.saturating_sub(earlier.user_ns),
            kernel_ns: self.kernel_ns.saturating_sub(earlier.kernel_ns),
            guest_ns: self.guest_ns.saturating_sub(earlier.guest_ns),
            vcpu_ns: self.vcpu_ns.saturating_sub(earlier.vcpu_ns),
        }
    }
}

/// What a span has cost.
#[derive(Clone, Debug)]
pub(super) struct Span {
    /// Exits and writes that waited, but for the marks.
    pub(super) tallies: Vec<(ExitKind, DeviceId, Tally)>,
    pub(super) cpu: Cpu,
    /// What KVM itself has counted, by its names.
    pub(super) kernel: BTreeMap<&'static str, u64>,
    /// By how much the guest's resident memory fell from one look to another.
    pub(super) fallen_bytes: u64,
}

/// What there is to look at once there is a machine.
pub(super) struct Insight {
    pub(super) kernel_counters: Vec<KernelCounters>,
    pub(super) memory: GuestMemory,
}

struct Reading {
    tallies: Tallies,
    cpu: Cpu,
    kernel: BTreeMap<&'static str, u64>,
}

/// Reads counters when the guest says so.
pub(super) struct Meter {
    counters: ExitCounters,
    insight: Arc<OnceLock<Insight>>,
    is_up: bool,
    begun: HashMap<u32, Reading>,
    spans: HashMap<u32, Span>,
    /// Resident memory of the guest at each look.
    looks: HashMap<u32, Vec<u64>>,
}

impl Meter {
    pub(super) fn new(counters: ExitCounters, insight: Arc<OnceLock<Insight>>) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            counters,
            insight,
            is_up: false,
            begun: HashMap::new(),
            spans: HashMap::new(),
            looks: HashMap::new(),
        }))
    }

    fn read(&self) -> Reading {
        let vcpus = self.counters.get().map_or(&[][..], Vec::as_slice);
        Reading {
            tallies: Tallies::now(vcpus),
            cpu: cpu(),
            kernel: self.kernel(),
        }
    }

    /// What KVM has counted so far, of all vCPUs.
    fn kernel(&self) -> BTreeMap<&'static str, u64> {
        let mut sums = BTreeMap::new();
        let insight = self.insight.get();
        let vcpus = insight.map_or(&[][..], |insight| &insight.kernel_counters);
        for (name, value) in vcpus.iter().flat_map(KernelCounters::read) {
            *sums.entry(name).or_insert(0) += value;
        }
        sums
    }

    fn look(&mut self, number: u32) {
        let memory = self.insight.get().map(|insight| &insight.memory);
        if let Some(Ok((guest_bytes, _))) = memory.map(resident_bytes) {
            self.looks.entry(number).or_default().push(guest_bytes);
        }
    }

    fn mark(&mut self, mark: Mark, number: u32) {
        match mark {
            Mark::Begin => {
                let reading = self.read();
                self.begun.insert(number, reading);
            }
            Mark::End => {
                let Some(begun) = self.begun.remove(&number) else {
                    return;
                };
                let now = self.read();
                let span = Span {
                    tallies: now.tallies.since(&begun.tallies),
                    cpu: now.cpu.since(begun.cpu),
                    kernel: now
                        .kernel
                        .into_iter()
                        .filter_map(|(name, value)| Some((name, value - begun.kernel.get(name)?)))
                        .collect(),
                    fallen_bytes: 0,
                };
                self.spans.insert(number, span);
            }
            Mark::Look => self.look(number),
            Mark::Kernel | Mark::User => self.is_up = true,
        }
    }

    /// Whether the guest has said that it runs.
    pub(super) fn is_up(&self) -> bool {
        self.is_up
    }

    pub(super) fn take(&mut self, number: u32) -> Option<Span> {
        let mut span = self.spans.remove(&number)?;
        span.fallen_bytes = fallen(&self.looks.remove(&number).unwrap_or_default());
        Some(span)
    }
}

/// What the mark port calls.
pub(super) fn on_mark(meter: Arc<Mutex<Meter>>) -> Box<dyn FnMut(u32) + Send> {
    Box::new(move |value| {
        if let Some((mark, number)) = Mark::from_value(value) {
            let mut meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
            meter.mark(mark, number);
        }
    })
}

/// By how much the values fell from the first to a later one.
fn fallen(looks: &[u64]) -> u64 {
    let (first, least) = (looks.first(), looks.iter().min());
    first.zip(least).map_or(0, |(first, least)| first - least)
}

/// Fields of /proc/self/stat behind the name (proc(5)): time in user mode, which has the guest's in
/// it, in the kernel, and in guests, in ticks.
const USER: usize = 11;
const KERNEL: usize = 12;
const GUEST: usize = 40;
/// A tick of that, on every Linux (USER_HZ is 100).
const TICK_NS: u64 = 10_000_000;

fn cpu() -> Cpu {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    Cpu {
        vcpu_ns: vcpu_ns().unwrap_or(0),
        ..parse(fields)
    }
}

/// Time on a processor of the threads whose names say that they are vCPUs: the first field of
/// schedstat (Linux sched-stats.rst), where the kernel has it.
fn vcpu_ns() -> Option<u64> {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task").ok()?.flatten() {
        let read = |file| fs::read_to_string(task.path().join(file)).ok();
        // A thread may have ended meanwhile.
        if read("comm").is_some_and(|name| name.starts_with(VCPU_THREADS)) {
            let schedstat = read("schedstat")?;
            sum += schedstat.split(' ').next()?.parse::<u64>().ok()?;
        }
    }
    Some(sum)
}

fn parse(fields: &str) -> Cpu {
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ns = |at: usize| {
        let ticks = fields.get(at).and_then(|text| text.parse::<u64>().ok());
        ticks.unwrap_or(0) * TICK_NS
    };
    Cpu {
        user_ns: ns(USER).saturating_sub(ns(GUEST)),
        kernel_ns: ns(KERNEL),
        guest_ns: ns(GUEST),
        vcpu_ns: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounting::ExitStats;

    #[test]
    fn a_span_has_what_came_between_its_marks() {
        let stats = Arc::new(ExitStats::default());
        let counters: ExitCounters = Arc::new(OnceLock::from(vec![stats.clone()]));
        let meter = Meter::new(counters, Arc::default());
        let mut on_mark = on_mark(meter.clone());
        let record = |accesses| stats.record(ExitKind::PioRead, DeviceId(1), accesses, 5);
        record(1);
        on_mark(Mark::Begin.value(7));
        record(2);
        record(256);
        on_mark(Mark::End.value(8));
        on_mark(Mark::End.value(7));
        record(4);
        let mut meter = meter.lock().unwrap();
        assert!(meter.take(8).is_none(), "it has not begun");
        let span = meter.take(7).expect("it has ended");
        let [(kind, device, tally)] = span.tallies[..] else {
            panic!("{span:?}");
        };
        assert_eq!((kind, device), (ExitKind::PioRead, DeviceId(1)));
        assert_eq!((tally.count, tally.accesses), (2, 258));
    }

    #[test]
    fn memory_falls_from_a_look_to_a_later_one() {
        assert_eq!([fallen(&[]), fallen(&[7]), fallen(&[7, 9])], [0, 0, 0]);
        assert_eq!(fallen(&[7, 2, 9, 3]), 5);
    }

    #[test]
    fn processor_time_is_taken_apart() {
        let mut fields = vec!["0"; 50];
        (fields[USER], fields[KERNEL], fields[GUEST]) = ("30", "4", "20");
        let cpu = parse(&fields.join(" "));
        assert_eq!((cpu.user_ns, cpu.kernel_ns), (10 * TICK_NS, 4 * TICK_NS));
        assert_eq!(cpu.guest_ns, 20 * TICK_NS);
        let later = Cpu {
            user_ns: 9 * TICK_NS,
            ..cpu
        };
        assert_eq!(later.since(cpu).user_ns, 0);
    }
}
