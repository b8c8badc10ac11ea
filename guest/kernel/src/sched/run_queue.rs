//! The run queues, one a processor: who waits where, and who is taken out.
//!
//! A processor takes threads out of its own queue, and out of others' when that is empty. Whoever
//! makes a thread ready puts it into a queue and tells that queue's processor.

use alloc::boxed::Box;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::policy::{Policy, Scheduler};
use super::thread::State;
use super::{IDLE, ONLINE, Thread, reschedule, settings, stats};
use crate::arch::{MAX_CPUS, apic, clock, cpu_id};
use crate::sync::SpinLock;

/// The threads that wait for a processor.
struct RunQueue {
    policy: SpinLock<Option<Box<dyn Scheduler<&'static Thread>>>>,
    len: AtomicUsize,
}

static QUEUES: [RunQueue; MAX_CPUS] = [const {
    RunQueue {
        policy: SpinLock::new(None),
        len: AtomicUsize::new(0),
    }
}; MAX_CPUS];

/// How many of the queues are in use.
static CPUS: AtomicUsize = AtomicUsize::new(0);

/// Prepares the queues of `cpus` processors.
pub(super) fn init(policy: Policy, cpus: u32) {
    CPUS.store(cpus as usize, Ordering::Relaxed);
    for queue in &QUEUES[..cpus as usize] {
        *queue.policy.lock() = Some(policy.make());
    }
}

/// Whether a thread waits for this processor.
pub(super) fn is_work_waiting() -> bool {
    QUEUES[cpu_id() as usize].len.load(Ordering::SeqCst) != 0
}

/// Puts a thread that is ready where it may run: where it was, if that processor is free, else
/// on a free one.
pub(super) fn place(thread: &'static Thread) {
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
    enqueue(thread, cpu as usize);
    let bit = 1 << cpu;
    // Taken: the next thread placed goes elsewhere.
    if free & bit != 0 {
        IDLE.fetch_and(!bit, Ordering::SeqCst);
    }
}

/// Puts a thread that is ready into the queue of `cpu`, and tells that processor where that
/// changes what it should do.
fn enqueue(thread: &'static Thread, cpu: usize) {
    thread.cpu.store(cpu as u32, Ordering::Relaxed);
    thread.ready_since.store(clock::tsc(), Ordering::Relaxed);
    let queue = &QUEUES[cpu];
    let before = {
        let mut policy = queue.policy.lock();
        if let Some(policy) = &mut *policy {
            policy.enqueue(thread);
        }
        queue.len.fetch_add(1, Ordering::SeqCst)
    };
    if cpu == cpu_id() as usize {
        reschedule();
    } else if before == 0 || settings().policy.is_preemptive() {
        apic::send(cpu, apic::Ipi::Reschedule);
    }
}

/// Whether a thread that waits here must run in place of `running`.
pub(super) fn is_preempted(running: &'static Thread) -> bool {
    settings().policy.is_preemptive()
        && QUEUES[cpu_id() as usize]
            .policy
            .lock()
            .as_ref()
            .is_some_and(|policy| policy.preempts(running))
}

/// As [`enqueue`], by the processor itself while it switches.
pub(super) fn enqueue_here(thread: &'static Thread, cpu: usize, since: u64) {
    thread.ready_since.store(since, Ordering::Relaxed);
    if let Some(policy) = &mut *QUEUES[cpu].policy.lock() {
        policy.enqueue(thread);
        QUEUES[cpu].len.fetch_add(1, Ordering::SeqCst);
    }
}

/// The thread that the policy of `cpu` picks.
pub(super) fn pick(cpu: usize, previous: &'static Thread) -> Option<&'static Thread> {
    let queue = &QUEUES[cpu];
    if queue.len.load(Ordering::Relaxed) == 0 {
        return None;
    }
    loop {
        let thread = queue.policy.lock().as_mut()?.pick_next()?;
        queue.len.fetch_sub(1, Ordering::SeqCst);
        if !is_sound(thread) {
            continue;
        }
        let is_elsewhere =
            thread.on_cpu.load(Ordering::Acquire) && !core::ptr::eq(thread, previous);
        if is_elsewhere {
            // Its last processor has yet to leave its stack. It may be waiting for ours likewise,
            // so come back for it instead of waiting.
            enqueue_here(thread, cpu, clock::tsc());
            return None;
        }
        stats::waited(thread);
        return Some(thread);
    }
}

/// A thread that waits on another processor and may run on `cpu`.
pub(super) fn steal(cpu: usize) -> Option<&'static Thread> {
    let queues = QUEUES.iter().take(CPUS.load(Ordering::Relaxed));
    for (other, queue) in queues.enumerate() {
        if other == cpu || queue.len.load(Ordering::Relaxed) == 0 {
            continue;
        }
        let Some(thread) = queue
            .policy
            .lock()
            .as_mut()
            .and_then(|policy| policy.steal(cpu))
        else {
            continue;
        };
        queue.len.fetch_sub(1, Ordering::SeqCst);
        if !is_sound(thread) {
            continue;
        }
        if thread.on_cpu.load(Ordering::Acquire) {
            enqueue_here(thread, cpu, clock::tsc());
            continue;
        }
        stats::waited(thread);
        return Some(thread);
    }
    None
}

/// Whether a thread that a policy has handed out can run. One that cannot is named and refused.
fn is_sound(thread: &'static Thread) -> bool {
    let state = thread.state();
    if state != State::Ready {
        let (tid, policy) = (thread.tid.load(Ordering::Relaxed), settings().policy.name());
        let pid = thread.process().map_or(0, |process| process.pid());
        crate::console::print(format_args!(
            "{policy}: refused to run thread {tid} of process {pid}, which is {state:?}\n"
        ));
    }
    state == State::Ready
}
