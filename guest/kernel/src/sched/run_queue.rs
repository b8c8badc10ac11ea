//! The run queues, one a processor: who waits where, and who is taken out.
//!
//! A processor takes threads out of its own queue, and out of others' when that is empty. Whoever
//! makes a thread ready puts it into a queue and tells that queue's processor.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use super::checked::{Answer, Checked, Refusal};
use super::policy::{Policy, Why};
use super::{IDLE, ONLINE, Thread, reschedule, settings, stats};
use crate::arch::{MAX_CPUS, apic, clock, cpu_id};
use crate::sync::SpinLock;

/// The threads that wait for a processor.
struct RunQueue {
    threads: SpinLock<Option<Checked<&'static Thread>>>,
    /// How many they are, to find out without the lock.
    len: AtomicUsize,
}

static QUEUES: [RunQueue; MAX_CPUS] = [const {
    RunQueue {
        threads: SpinLock::new(None),
        len: AtomicUsize::new(0),
    }
}; MAX_CPUS];

/// How many of the queues are in use.
static CPUS: AtomicUsize = AtomicUsize::new(0);

/// Whether a processor without work takes it from others.
static STEALING: AtomicBool = AtomicBool::new(true);

impl RunQueue {
    /// Uses the threads that wait; `None` before there are queues.
    fn with<R>(&self, use_it: impl FnOnce(&mut Checked<&'static Thread>) -> R) -> Option<R> {
        let mut threads = self.threads.lock();
        let threads = threads.as_mut()?;
        let result = use_it(threads);
        self.len.store(threads.len(), Ordering::SeqCst);
        Some(result)
    }

    /// The thread that the policy answers with; one that it must not is named, and asked again.
    fn take(
        &self,
        mut ask: impl FnMut(&mut Checked<&'static Thread>) -> Answer<&'static Thread>,
    ) -> Option<&'static Thread> {
        loop {
            match self.with(&mut ask)? {
                Ok(thread) => return thread,
                Err(refusal) => refuse(&refusal),
            }
        }
    }
}

/// Prepares the queues of `cpus` processors.
pub(super) fn init(policy: Policy, slice: u64, cpus: u32) {
    CPUS.store(cpus as usize, Ordering::Relaxed);
    for (cpu, queue) in QUEUES[..cpus as usize].iter().enumerate() {
        *queue.threads.lock() = Some(Checked::new(policy.make(slice), cpu));
    }
}

/// Has another policy order the queues; threads that wait are new to it.
pub(super) fn change(policy: Policy, slice: u64) {
    for queue in QUEUES.iter().take(CPUS.load(Ordering::Relaxed)) {
        let scheduler = policy.make(slice);
        let handed = queue.with(|threads| {
            threads.hand_over(Some(scheduler), Why::New, clock::tsc(), |thread| {
                thread.meet_policy();
            })
        });
        if let Some(Err(refusal)) = handed {
            refuse(&refusal);
        }
    }
}

/// Hands all that wait for `cpu` in anew, after one of them has changed.
pub(super) fn reorder(cpu: usize) {
    let handed =
        QUEUES[cpu].with(|threads| threads.hand_over(None, Why::Preempted, clock::tsc(), |_| {}));
    if let Some(Err(refusal)) = handed {
        refuse(&refusal);
    }
}

/// Whether processors without work take it from others.
pub(super) fn set_stealing(is_on: bool) {
    STEALING.store(is_on, Ordering::Relaxed);
}

/// Tells a processor without work, where `thread` may run, that there is some to take.
pub(super) fn offer(thread: &Thread) {
    let free = IDLE.load(Ordering::Relaxed) & thread.affinity();
    if free != 0 && STEALING.load(Ordering::Relaxed) {
        apic::send(free.trailing_zeros() as usize, apic::Ipi::Reschedule);
    }
}

/// Whether a thread waits for this processor.
pub(super) fn is_work_waiting() -> bool {
    QUEUES[cpu_id() as usize].len.load(Ordering::SeqCst) != 0
}

/// Puts a thread that is ready where it may run: where it was, if that processor is free, else
/// on a free one.
pub(super) fn place(thread: &'static Thread, why: Why) {
    let last = thread.cpu.load(Ordering::Relaxed);
    let allowed = thread.affinity();
    let free = IDLE.load(Ordering::SeqCst) & allowed;
    let online = ONLINE.load(Ordering::Relaxed) & allowed;
    let cpu = match 1 << last {
        last_bit if free & last_bit != 0 => last,
        _ if free != 0 => free.trailing_zeros(),
        last_bit if online & last_bit != 0 => last,
        _ if online != 0 => online.trailing_zeros(),
        // Not up yet: it will find the thread in its queue.
        _ => allowed.trailing_zeros(),
    };
    enqueue(thread, cpu as usize, why);
    let bit = 1 << cpu;
    // Taken: the next thread placed goes elsewhere.
    if free & bit != 0 {
        IDLE.fetch_and(!bit, Ordering::SeqCst);
    }
}

/// Puts a thread that is ready into the queue of `cpu`, and tells that processor where that
/// changes what it should do.
fn enqueue(thread: &'static Thread, cpu: usize, why: Why) {
    let now = clock::tsc();
    let before = enqueue_here(thread, cpu, why, now);
    if cpu == cpu_id() as usize {
        reschedule();
    } else if before == 0 || super::preempts() {
        apic::send(cpu, apic::Ipi::Reschedule);
    }
}

/// Whether a thread that waits here must run in place of `running`.
pub(super) fn is_preempted(running: &'static Thread) -> bool {
    if !super::preempts() {
        return false;
    }
    let now = clock::tsc();
    super::charge(running, now);
    QUEUES[cpu_id() as usize]
        .with(|threads| threads.policy().preempts(running, now))
        .unwrap_or_default()
}

/// How many slices `thread` may run for here.
pub(super) fn slices(thread: &'static Thread) -> u64 {
    QUEUES[cpu_id() as usize]
        .with(|threads| threads.policy().slices(thread))
        .unwrap_or(1)
}

/// As [`enqueue`], but tells nobody; how many waited before.
pub(super) fn enqueue_here(thread: &'static Thread, cpu: usize, why: Why, now: u64) -> usize {
    thread.cpu.store(cpu as u32, Ordering::Relaxed);
    thread.ready_since.store(now, Ordering::Relaxed);
    let why = if thread.knows_policy() {
        why
    } else {
        thread.meet_policy();
        Why::New
    };
    let waiting = QUEUES[cpu].with(|threads| {
        threads.enqueue(thread, why, now);
        threads.len() - 1
    });
    waiting.unwrap_or_default()
}

/// The thread that the policy of `cpu` picks.
pub(super) fn pick(cpu: usize, previous: &'static Thread, now: u64) -> Option<&'static Thread> {
    let queue = &QUEUES[cpu];
    if queue.len.load(Ordering::Relaxed) == 0 {
        return None;
    }
    let thread = queue.take(|threads| threads.pick(now))?;
    let is_elsewhere = thread.on_cpu.load(Ordering::Acquire) && !core::ptr::eq(thread, previous);
    if is_elsewhere {
        // Its last processor has yet to leave its stack. It may be waiting for ours likewise,
        // so come back for it instead of waiting.
        enqueue_here(thread, cpu, Why::Yielded, now);
        return None;
    }
    stats::waited(thread);
    Some(thread)
}

/// A thread that waits on another processor and may run on `cpu`.
pub(super) fn steal(cpu: usize) -> Option<&'static Thread> {
    if !STEALING.load(Ordering::Relaxed) {
        return None;
    }
    let queues = QUEUES.iter().take(CPUS.load(Ordering::Relaxed));
    for (other, queue) in queues.enumerate() {
        if other == cpu || queue.len.load(Ordering::Relaxed) == 0 {
            continue;
        }
        let Some(thread) = queue.take(|threads| threads.steal(cpu)) else {
            continue;
        };
        if thread.on_cpu.load(Ordering::Acquire) {
            enqueue_here(thread, cpu, Why::Yielded, clock::tsc());
            continue;
        }
        stats::waited(thread);
        return Some(thread);
    }
    None
}

/// Wrong answers that are borne: a policy that gives more will not give a right one.
const MOST_REFUSALS: u32 = 16;
static REFUSALS: AtomicU32 = AtomicU32::new(0);

/// Names what a policy has handed out and must not.
#[cold]
fn refuse(refusal: &Refusal<&'static Thread>) {
    let policy = settings().policy.name();
    match refusal.task() {
        Some(thread) => {
            let tid = thread.tid.load(Ordering::Relaxed);
            let pid = thread.pid.load(Ordering::Relaxed);
            crate::console::print(format_args!(
                "{policy}: refused to run thread {tid} of process {pid}, {refusal}\n"
            ));
        }
        None => crate::console::print(format_args!("{policy}: picked {refusal}\n")),
    }
    let refusals = REFUSALS.fetch_add(1, Ordering::Relaxed);
    assert!(
        refusals < MOST_REFUSALS,
        "{policy}: too many answers were wrong"
    );
}
