//! Scheduling: who runs on which processor, and when that changes.
//!
//! Every processor has a run queue (`run_queue`), ordered by a [`policy`]. The kernel itself is not preempted:
//! switches happen where a thread waits ([`wait`]), and before ring 3 is entered again, when
//! the timer or another processor has asked for one. A processor without work takes some from
//! another's queue, else it halts.
//!
//! Lock order: a wait queue, then a run queue; never two run queues.

mod checked;
pub mod policy;
mod run_queue;
mod sleep;
mod stance;
mod stats;
mod thread;
pub mod turns;
mod wait;

use alloc::boxed::Box;
use core::cell::Cell;
use core::sync::atomic::{AtomicU64, Ordering};

use policy::{Task, Why};
use run_queue::{enqueue_here, is_preempted, is_work_waiting, pick, place, steal};
use stance::preempts;
use thread::State;

pub(crate) use sleep::halt_with_lock;
pub use stance::{LONGEST_SLICE_NS, Settings, change, init, settings};
pub use stats::{Totals, totals};
pub use thread::Thread;
pub use wait::WaitQueue;

use crate::arch::context::{switch_context, use_page_table};
use crate::arch::trap::TrapFrame;
use crate::arch::{MAX_CPUS, apic, clock, cpu, cpu_id, descriptor, fpu};
use crate::mm::{PhysAddr, kernel_map};
use crate::process::signal::{Scratch, attend};
use crate::sync::CpuLocal;
use crate::time::NEVER;

/// What a processor is doing.
struct Local {
    current: Cell<Option<&'static Thread>>,
    idle: Cell<Option<&'static Thread>>,
    /// The thread just left, whose stack is free once the next one runs.
    previous: Cell<Option<&'static Thread>>,
    need_switch: Cell<bool>,
    /// When the running thread's slice ends; [`NEVER`] if nobody else wants the processor.
    slice_end: Cell<u64>,
    /// What the timer is set to.
    timer: Cell<u64>,
    /// Time-stamp counter when the switch that is under way began.
    switch_start: Cell<u64>,
    /// The same when the running thread came.
    came: Cell<u64>,
    /// The same when it was charged last.
    charged: Cell<u64>,
    /// Why the running thread has to leave.
    why: Cell<Why>,
}

static LOCAL: CpuLocal<Local> = CpuLocal::new(
    [const {
        Local {
            current: Cell::new(None),
            idle: Cell::new(None),
            previous: Cell::new(None),
            need_switch: Cell::new(false),
            slice_end: Cell::new(NEVER),
            timer: Cell::new(NEVER),
            switch_start: Cell::new(0),
            came: Cell::new(0),
            charged: Cell::new(0),
            why: Cell::new(Why::Yielded),
        }
    }; MAX_CPUS],
);

/// Processors that idle, a bit each.
static IDLE: AtomicU64 = AtomicU64::new(0);
/// Processors that run threads, a bit each.
static ONLINE: AtomicU64 = AtomicU64::new(0);

/// Makes what runs here this processor's idle thread, which threads are scheduled from.
pub fn join() {
    let cpu = cpu_id();
    let idle = &*Box::leak(Box::new(Thread::idle(descriptor::idle_stack(cpu), cpu)));
    let local = LOCAL.get();
    local.idle.set(Some(idle));
    local.current.set(Some(idle));
    ONLINE.fetch_or(1 << cpu, Ordering::SeqCst);
}

/// Processors that run threads.
pub fn online() -> u32 {
    ONLINE.load(Ordering::SeqCst).count_ones()
}

/// Whether processor `cpu` runs threads.
pub fn is_online(cpu: u32) -> bool {
    ONLINE.load(Ordering::SeqCst) & 1 << cpu != 0
}

/// Runs threads, and halts when there are none.
pub fn idle() -> ! {
    let me = 1 << cpu_id();
    loop {
        schedule();
        IDLE.fetch_or(me, Ordering::SeqCst);
        if !is_work_waiting() {
            cpu::wait_for_interrupt();
        }
        IDLE.fetch_and(!me, Ordering::SeqCst);
    }
}

/// The running thread.
#[inline]
pub fn current() -> &'static Thread {
    LOCAL
        .get()
        .current
        .get()
        .expect("every processor joins before it runs threads")
}

/// Whether `address` is on the stack of the thread that this processor runs, if it runs one.
pub fn is_current_stack(address: u64) -> bool {
    LOCAL
        .get()
        .current
        .get()
        .is_some_and(|thread| thread.context.has_on_stack(address))
}

fn is_idle(thread: &Thread) -> bool {
    LOCAL
        .get()
        .idle
        .get()
        .is_some_and(|idle| core::ptr::eq(idle, thread))
}

/// Lets a new thread run.
pub fn start(thread: &'static Thread) {
    wake(thread);
}

/// Has the queue in which `thread` may be look anew at all that wait in it.
pub fn reorder(thread: &Thread) {
    run_queue::reorder(thread.cpu.load(Ordering::Relaxed) as usize);
}

/// Whether processors without work take it from others, from now on.
pub fn set_stealing(is_on: bool) {
    run_queue::set_stealing(is_on);
}

/// Lets `thread` run if it is blocked; false if it is not.
pub fn wake(thread: &'static Thread) -> bool {
    let woken = thread.change_state(State::Blocked, State::Ready);
    if woken {
        place(thread, Why::Woken);
    }
    woken
}

/// Another thread may have to run here: looks whether it does at once, and sees to it that it
/// does some time.
pub fn reschedule() {
    let local = LOCAL.get();
    let Some(running) = local.current.get() else {
        return;
    };
    if is_idle(running) || is_preempted(running) {
        local.need_switch.set(true);
        if local.why.get() == Why::Yielded {
            local.why.set(Why::Preempted);
        }
    }
    if local.slice_end.get() == NEVER && is_work_waiting() {
        local
            .slice_end
            .set(clock::now_ns() + stance::turn_ns(running));
        set_timer();
    }
}

/// Lets others run, if somebody waits.
pub fn yield_now() {
    schedule();
}

/// Switches to the thread that is to run next. The running one goes on later if it is
/// [`State::Running`]; if it is blocked it must be where somebody wakes it.
pub fn schedule() {
    let cpu = cpu_id() as usize;
    let local = LOCAL.get();
    let previous = current();
    let now = clock::tsc();
    local.switch_start.set(now);
    local.need_switch.set(false);
    let (came, why) = (local.came.replace(now), local.why.replace(Why::Yielded));
    charge(previous, now);
    if turns::are_kept() {
        turns::note(previous, came, now, why);
    }
    if !is_idle(previous) && previous.change_state(State::Running, State::Ready) {
        match previous.may_run_on(cpu) {
            true => drop(enqueue_here(previous, cpu, why, now)),
            false => place(previous, why),
        }
    }
    let next = pick(cpu, previous, now)
        .or_else(|| steal(cpu))
        .or(local.idle.get());
    let next = next.expect("every processor has an idle thread");
    next.set_state(State::Running);
    next.cpu.store(cpu as u32, Ordering::Relaxed);
    match core::ptr::eq(next, previous) {
        true => set_slice(next),
        false => switch(previous, next),
    }
}

/// Charges the running thread for the time up to `now`.
fn charge(running: &Thread, now: u64) {
    let since = LOCAL.get().charged.replace(now);
    running.add_ran(now.saturating_sub(since));
}

/// Processor time that the running thread has had, in nanoseconds.
pub fn thread_time_ns() -> u64 {
    let running = current();
    charge(running, clock::tsc());
    clock::ticks_to_ns(running.ran())
}

fn switch(previous: &'static Thread, next: &'static Thread) {
    let local = LOCAL.get();
    if !is_idle(previous) {
        fpu::leave(&previous.fpu);
    }
    switch_space(previous, next);
    next.on_cpu.store(true, Ordering::Relaxed);
    local.previous.set(Some(previous));
    local.current.set(Some(next));
    if !is_idle(next) {
        fpu::arrive(&next.fpu);
    }
    switch_context(&previous.context, &next.context);
    finish_switch();
}

/// Lets this processor see the addresses of `next`'s process.
fn switch_space(previous: &Thread, next: &Thread) {
    let me = 1 << cpu_id();
    let (old, new) = (previous.process(), next.process());
    if old.map(core::ptr::from_ref) == new.map(core::ptr::from_ref) {
        return;
    }
    match new {
        Some(new) => {
            new.shared.cpus.fetch_or(me, Ordering::SeqCst);
            use_page_table(PhysAddr(new.shared.root.load(Ordering::Relaxed)));
        }
        None => use_page_table(kernel_map::root()),
    }
    if let Some(old) = old {
        old.shared.cpus.fetch_and(!me, Ordering::SeqCst);
    }
}

/// What is left to do of a switch when the next thread runs on its own stack.
pub fn finish_switch() {
    let local = LOCAL.get();
    if let Some(previous) = local.previous.take() {
        let is_dead = previous.state() == State::Dead;
        previous.on_cpu.store(false, Ordering::Release);
        if is_dead {
            previous.recycle();
        }
    }
    set_slice(current());
    let now = clock::tsc();
    local.came.set(now);
    local.charged.set(now);
    stats::switched(now.saturating_sub(local.switch_start.get()));
}

/// Ends the running thread, which has left its process.
pub fn exit() -> ! {
    current().set_state(State::Dead);
    schedule();
    unreachable!("a dead thread is not picked")
}

/// Last stop before ring 3, which is entered with `frame`: switches if that was asked for, ends threads
/// that were killed, and lets others take signals.
#[inline]
pub fn before_user(frame: &mut TrapFrame) {
    while LOCAL.get().need_switch.get() {
        schedule();
    }
    let process = current().process();
    if process.is_some_and(|process| process.needs_attention()) {
        attend(frame, Scratch::Valid);
    }
}

/// As [`before_user`], at the end of a system call, which is counted.
#[inline]
pub fn after_call(frame: &mut TrapFrame) {
    while LOCAL.get().need_switch.get() {
        schedule();
    }
    let process = current().process();
    if process.is_some_and(|process| {
        process.transfers.crossed();
        process.needs_attention()
    }) {
        attend(frame, Scratch::Lost);
    }
}

/// Whether the running thread has to end, and should wait for nothing more.
#[inline]
pub fn is_ending() -> bool {
    let process = current().process();
    process.is_some_and(|process| process.is_ending())
}

/// Gives `next` a slice, which ends only if somebody else waits.
fn set_slice(next: &'static Thread) {
    let end = if !is_idle(next) && is_work_waiting() {
        clock::now_ns() + stance::turn_ns(next)
    } else {
        NEVER
    };
    let local = LOCAL.get();
    local.slice_end.set(end);
    // Those to wake have set it for themselves.
    if end < local.timer.get() {
        set_timer();
    }
}

/// Sets the timer to what comes first: the slice's end or somebody to wake. A timer that is set
/// too early is left so; it costs one interrupt and saves setting it many times.
fn set_timer() {
    let local = LOCAL.get();
    let deadline = local.slice_end.get().min(sleep::next_deadline());
    if deadline < local.timer.get() {
        local.timer.set(deadline);
        apic::set_timer(deadline);
    }
}

/// The timer's interrupt.
pub fn timer_interrupt() {
    let local = LOCAL.get();
    local.timer.set(NEVER);
    stats::ticked();
    let now = clock::now_ns();
    crate::start::announce_if_late(now);
    sleep::wake_until(now);
    if local.slice_end.get() <= now {
        local.slice_end.set(NEVER);
        if is_work_waiting() {
            stats::preempted();
            local.why.set(Why::SliceEnded);
            local.need_switch.set(true);
            run_queue::offer(current());
        }
    }
    set_timer();
}

/// Interrupts the processor that `thread` runs on, if it runs on another, so that it comes
/// through [`before_user`].
pub fn poke(thread: &Thread) {
    let cpu = thread.cpu.load(Ordering::Relaxed);
    if thread.on_cpu.load(Ordering::SeqCst) && cpu != cpu_id() {
        apic::send(cpu as usize, apic::Ipi::Reschedule);
    }
}
