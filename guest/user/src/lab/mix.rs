//! A mix of threads that each compute for a while, wait for a device, and begin again, until the
//! time is over; one without a device computes on and on.

use super::processor::spend;
use super::scheduler::Scheduler;
use crate::check::{Context as _, Failure};
use crate::sync::Turn;
use crate::time::now_ns;
use crate::{sys, thread};
use abi::syscall::{Errno, Stats, TaskAttribute};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

/// A thread as it stands among a program's arguments: `NAME=CPU_US:DEVICE_US[:WORD]...`, 0 for one
/// that waits for no device; the words are `pN` for priority N and `wN` for weight N.
#[derive(Clone, Copy, Debug)]
pub struct Habit {
    /// Its name.
    pub name: &'static str,
    cpu_ns: u64,
    device_ns: u64,
    priority: Option<u64>,
    weight: Option<u64>,
}

/// What a thread did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deeds {
    /// Processor time that it had.
    pub ran_ns: u64,
    /// Times that it has computed its whole length.
    pub rounds: u64,
    /// From the device's answer to the end of the computation that follows: sum and most.
    pub latency_ns: u64,
    /// The longest of them.
    pub worst_latency_ns: u64,
    /// Longest time that it wanted the processor and did not have it.
    pub worst_wait_ns: u64,
    /// Time that its device was at work.
    pub device_ns: u64,
}

impl Habit {
    /// Reads one.
    pub fn parse(name: &'static str, text: &'static str) -> Result<Self, Failure> {
        let wrong = || {
            Failure(format!(
                "{name}={text}: a thread is CPU_US:DEVICE_US (0 for no device), and then any of :pN \
                 (priority 0 to 7), :wN (weight 1 to 10000)"
            ))
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        let mut words = text.split(':');
        let (cpu, device) = words.next().zip(words.next()).ok_or_else(wrong)?;
        let mut habit = Self {
            name,
            cpu_ns: number(cpu)?.saturating_mul(1000),
            device_ns: number(device)?.saturating_mul(1000),
            priority: None,
            weight: None,
        };
        for word in words {
            let (kind, value) = word.split_at_checked(1).ok_or_else(wrong)?;
            match kind {
                "p" => habit.priority = Some(number(value)?),
                "w" => habit.weight = Some(number(value)?),
                _ => return Err(wrong()),
            }
        }
        Ok(habit)
    }

    /// Whether it waits for a device.
    pub fn has_device(&self) -> bool {
        self.device_ns > 0
    }

    fn declare(&self) -> Result<(), Errno> {
        sys::set_priority(self.priority.unwrap_or(USUAL_PRIORITY))?;
        if let Some(weight) = self.weight {
            sys::set_task(TaskAttribute::Weight, weight)?;
        }
        Ok(())
    }

    /// Lives by it from `start_ns` until `end_ns`.
    fn live(&self, start_ns: u64, end_ns: u64) -> Result<Deeds, Errno> {
        let before_ns = sys::thread_time_ns()?;
        let mut deeds = Deeds::default();
        match self.device_ns {
            0 => deeds.worst_wait_ns = compute(start_ns, end_ns),
            _ => self.go_round(end_ns, &mut deeds)?,
        }
        deeds.ran_ns = sys::thread_time_ns()? - before_ns;
        Ok(deeds)
    }

    fn go_round(&self, end_ns: u64, deeds: &mut Deeds) -> Result<(), Errno> {
        let mut answered_ns = now_ns();
        while now_ns() < end_ns {
            let ran_ns = spend(self.cpu_ns)?;
            let latency_ns = now_ns().saturating_sub(answered_ns);
            deeds.rounds += 1;
            deeds.latency_ns += latency_ns;
            deeds.worst_latency_ns = deeds.worst_latency_ns.max(latency_ns);
            let wait_ns = latency_ns.saturating_sub(ran_ns);
            deeds.worst_wait_ns = deeds.worst_wait_ns.max(wait_ns);
            answered_ns = now_ns() + self.device_ns;
            deeds.device_ns += self.device_ns.min(end_ns.saturating_sub(now_ns()));
            sys::sleep_until(answered_ns)?;
        }
        Ok(())
    }
}

/// Computes from `start_ns` until `end_ns`; the longest time that it did not.
fn compute(start_ns: u64, end_ns: u64) -> u64 {
    let (mut last_ns, mut worst_ns) = (start_ns, 0);
    while last_ns < end_ns {
        let at_ns = now_ns();
        worst_ns = worst_ns.max(at_ns.saturating_sub(last_ns));
        last_ns = at_ns;
    }
    worst_ns
}

/// What was seen of all threads.
pub struct Report {
    /// What each did.
    pub deeds: Vec<Deeds>,
    /// From the start to the end.
    pub elapsed_ns: u64,
    /// The kernel's counts at the start.
    pub before: Stats,
    /// Those at the end.
    pub after: Stats,
}

const GO: u32 = 1;

struct Shared {
    start_ns: AtomicU64,
    end_ns: AtomicU64,
    gate: Turn,
}

/// Lets threads live by these habits for `ns` nanoseconds, under that policy.
pub fn run(habits: &[Habit], ns: u64, (policy, slice_us): (&str, u64)) -> Result<Report, Failure> {
    let shared = Arc::new(Shared {
        start_ns: AtomicU64::new(0),
        end_ns: AtomicU64::new(0),
        gate: Turn::new(),
    });
    // Above all others, so that it ends on time.
    sys::set_priority(HIGHEST_PRIORITY).context("priority")?;
    let threads = assemble(habits, &shared)?;
    let _scheduler = Scheduler::choose(policy, slice_us)?;
    let before = sys::stats().context("stats")?;
    let start_ns = now_ns();
    shared.start_ns.store(start_ns, Ordering::Relaxed);
    shared.end_ns.store(start_ns + ns, Ordering::Release);
    shared.gate.set(GO);
    sys::sleep_until(start_ns + ns).context("sleep")?;
    let elapsed_ns = now_ns() - start_ns;
    let after = sys::stats().context("stats")?;
    let mut deeds = Vec::new();
    for thread in threads {
        deeds.push(
            thread
                .join()
                .context("join")?
                .context("a thread of the mix")?,
        );
    }
    Ok(Report {
        deeds,
        elapsed_ns: elapsed_ns.max(1),
        before,
        after,
    })
}

type Living = thread::JoinHandle<Result<Deeds, Errno>>;

/// Makes the threads, each of which goes to the gate before the next is made.
fn assemble(habits: &[Habit], shared: &Arc<Shared>) -> Result<Vec<Living>, Failure> {
    let _in_order = Scheduler::choose("fcfs", 0)?;
    let mut threads = Vec::new();
    for habit in habits {
        let habit = *habit;
        let shared = Arc::clone(shared);
        let body = move || {
            habit.declare()?;
            shared.gate.wait_for(GO);
            let end_ns = shared.end_ns.load(Ordering::Acquire);
            habit.live(shared.start_ns.load(Ordering::Relaxed), end_ns)
        };
        threads.push(thread::spawn(body).context("a thread")?);
        sys::yield_now();
    }
    // On other processors they may not be there yet.
    sys::sleep(LEAD_NS).context("sleep")?;
    Ok(threads)
}

const HIGHEST_PRIORITY: u64 = 7;
const USUAL_PRIORITY: u64 = 3;
const LEAD_NS: u64 = 5_000_000;
