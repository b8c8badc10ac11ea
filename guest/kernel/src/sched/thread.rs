//! A thread: what the scheduler knows of it.

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

use super::checked::Queued;
use super::policy::{Note, Task, USUAL_WEIGHT};
use super::stance;
use crate::arch::context::Context;
use crate::arch::fpu::FpuState;
use crate::arch::stack::Stack;
use crate::arch::trap::TrapFrame;
use crate::mm::stacks;
use crate::process::Process;
use crate::sync::{AtomicRef, Pool};

/// What a thread is doing.
///
/// ```text
///  Ready ──picked──> Running ──waits──> Blocked
///    ^ └──preempted─────┘ │                │
///    └────────── woken ───┼────────────────┘
///                         └──exits──> Dead
/// ```
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// In a run queue.
    Ready = 0,
    /// On a processor.
    Running = 1,
    /// In a wait queue, or on its way there.
    Blocked = 2,
    /// It will not run again.
    Dead = 3,
}

/// A thread of the kernel, and of a process unless it is a processor's idle one. Threads are
/// made once and used again, stack and all.
pub struct Thread {
    /// Where it goes on.
    pub context: Context,
    /// Its FPU registers.
    pub fpu: FpuState,
    /// Its number within the process.
    pub tid: AtomicU64,
    process: AtomicRef<Process>,
    /// Signals that it holds back, a bit each.
    pub signal_mask: AtomicU64,
    /// Number of the process that it was made for; idle threads have 0.
    pub(super) pid: AtomicU64,
    state: AtomicU8,
    /// Whether a processor is on its stack, even if on the way to leave it.
    pub(super) on_cpu: AtomicBool,
    /// The processor it is on, or was on last, or waits for.
    pub(super) cpu: AtomicU32,
    /// That of its own, or a higher one that it inherits.
    priority: AtomicU8,
    own_priority: AtomicU8,
    affinity: AtomicU64,
    /// Time-stamp counter when it became ready.
    pub(super) ready_since: AtomicU64,
    /// The processor in whose run queue it is, and one; 0 for none.
    queue: AtomicU8,
    /// Processor time that it has had, in ticks.
    ran: AtomicU64,
    /// What it has said of itself; 0 for nothing.
    length: AtomicU64,
    deadline: AtomicU64,
    /// What `ran` will be when that length is over.
    length_end: AtomicU64,
    weight: AtomicU64,
    /// What the scheduling policy has noted, and the number of that policy.
    note: [AtomicU64; 2],
    policy: AtomicU32,
}

static POOL: Pool<Thread> = Pool::new();

/// Priority of a new process's first thread.
const DEFAULT_PRIORITY: u8 = 3;

impl Thread {
    fn on(stack: Stack) -> Self {
        Self {
            context: Context::new(stack),
            fpu: FpuState::new(),
            tid: AtomicU64::new(0),
            process: AtomicRef::new(),
            signal_mask: AtomicU64::new(0),
            pid: AtomicU64::new(0),
            state: AtomicU8::new(State::Blocked as u8),
            on_cpu: AtomicBool::new(false),
            cpu: AtomicU32::new(0),
            priority: AtomicU8::new(DEFAULT_PRIORITY),
            own_priority: AtomicU8::new(DEFAULT_PRIORITY),
            affinity: AtomicU64::new(u64::MAX),
            ready_since: AtomicU64::new(0),
            queue: AtomicU8::new(0),
            ran: AtomicU64::new(0),
            length: AtomicU64::new(0),
            deadline: AtomicU64::new(0),
            length_end: AtomicU64::new(0),
            weight: AtomicU64::new(USUAL_WEIGHT),
            note: [const { AtomicU64::new(0) }; 2],
            policy: AtomicU32::new(0),
        }
    }

    /// The thread that this code runs as already, on the idle stack of processor `cpu`.
    pub(super) fn idle(stack: Stack, cpu: u32) -> Self {
        let thread = Self::on(stack);
        thread.cpu.store(cpu, Ordering::Relaxed);
        thread.set_state(State::Running);
        thread.on_cpu.store(true, Ordering::Relaxed);
        thread
    }

    /// A thread of `process` that will enter ring 3 with `registers` once it is
    /// [started](super::start). It inherits priority, affinity and weight from `parent`.
    pub fn create(
        process: &'static Process,
        tid: u64,
        registers: TrapFrame,
        parent: Option<&Self>,
    ) -> Option<&'static Self> {
        let thread = POOL.take(|| stacks::allocate().map(Self::on))?;
        thread.tid.store(tid, Ordering::Relaxed);
        thread.process.store(Some(process));
        thread.pid.store(process.pid(), Ordering::Relaxed);
        let mask = parent.map_or(0, |parent| parent.signal_mask.load(Ordering::Relaxed));
        thread.signal_mask.store(mask, Ordering::Relaxed);
        thread.set_state(State::Blocked);
        thread.fpu.reset();
        thread.context.enter_user(registers);
        let priority = parent.map_or(DEFAULT_PRIORITY, |parent| {
            parent.own_priority.load(Ordering::Relaxed)
        });
        let affinity = parent.map_or(u64::MAX, |parent| parent.affinity.load(Ordering::Relaxed));
        let weight = parent.map_or(USUAL_WEIGHT, |parent| parent.weight.load(Ordering::Relaxed));
        thread.priority.store(priority, Ordering::Relaxed);
        thread.own_priority.store(priority, Ordering::Relaxed);
        thread.affinity.store(affinity, Ordering::Relaxed);
        thread.weight.store(weight, Ordering::Relaxed);
        thread.ran.store(0, Ordering::Relaxed);
        thread.set_length(0);
        thread.set_deadline(0);
        thread.policy.store(0, Ordering::Relaxed);
        if let Some(parent) = parent {
            thread
                .cpu
                .store(parent.cpu.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        Some(thread)
    }

    /// Lets the thread, which is dead and on no processor, be used again.
    pub(super) fn recycle(&'static self) {
        POOL.give_back(self);
    }

    /// Its process; idle threads have none, nor have dying ones.
    #[inline]
    pub fn process(&self) -> Option<&'static Process> {
        self.process.load()
    }

    /// It leaves its process, being about to end.
    pub fn leave_process(&self) {
        self.process.store(None);
    }

    pub(super) fn state(&self) -> State {
        match self.state.load(Ordering::Acquire) {
            0 => State::Ready,
            1 => State::Running,
            2 => State::Blocked,
            _ => State::Dead,
        }
    }

    pub(super) fn set_state(&self, state: State) {
        self.state.store(state as u8, Ordering::Release);
    }

    /// Changes the state from `from` to `to`, if it is `from`.
    pub(super) fn change_state(&self, from: State, to: State) -> bool {
        self.state
            .compare_exchange(from as u8, to as u8, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok()
    }

    /// Sets the priority, which must be below [`super::policy::LEVELS`]; the one before.
    pub fn set_priority(&self, priority: u8) -> u8 {
        let before = self.own_priority.swap(priority, Ordering::Relaxed);
        if self.priority.load(Ordering::Relaxed) <= before {
            self.priority.store(priority, Ordering::Relaxed);
        } else {
            self.inherit(priority);
        }
        before
    }

    /// Raises the priority to that of one who waits for this thread; whether it was lower.
    pub fn inherit(&self, priority: u8) -> bool {
        self.priority.fetch_max(priority, Ordering::Relaxed) < priority
    }

    /// Nobody waits for this thread any more.
    pub fn disinherit(&self) {
        let own = self.own_priority.load(Ordering::Relaxed);
        self.priority.store(own, Ordering::Relaxed);
    }

    /// The priority that counts.
    pub fn effective_priority(&self) -> u8 {
        self.priority.load(Ordering::Relaxed)
    }

    /// Sets the processors it may run on, a bit each.
    pub fn set_affinity(&self, mask: u64) {
        self.affinity.store(mask, Ordering::Relaxed);
    }

    pub(super) fn affinity(&self) -> u64 {
        self.affinity.load(Ordering::Relaxed)
    }

    /// Sets its weight, not 0.
    pub fn set_weight(&self, weight: u64) {
        self.weight.store(weight, Ordering::Relaxed);
    }

    /// It needs so much processor time from now on until it waits, in ticks; 0 says nothing.
    pub fn set_length(&self, ticks: u64) {
        self.length.store(ticks, Ordering::Relaxed);
        let end = self.ran.load(Ordering::Relaxed).saturating_add(ticks);
        self.length_end.store(end, Ordering::Relaxed);
    }

    /// It has to be done when the counter is at `tsc`; 0 for never.
    pub fn set_deadline(&self, tsc: u64) {
        self.deadline.store(tsc, Ordering::Relaxed);
    }

    /// Adds processor time; only the processor that it runs on does.
    #[inline]
    pub(super) fn add_ran(&self, ticks: u64) {
        let ran = self.ran.load(Ordering::Relaxed);
        self.ran.store(ran.wrapping_add(ticks), Ordering::Relaxed);
    }

    /// Whether the scheduling policy knows it already.
    #[inline]
    pub(super) fn knows_policy(&self) -> bool {
        self.policy.load(Ordering::Relaxed) == stance::epoch()
    }

    /// The scheduling policy has noted nothing of it yet.
    pub(super) fn meet_policy(&'static self) {
        self.set_note(Note::default());
        self.policy.store(stance::epoch(), Ordering::Relaxed);
    }
}

fn nonzero(value: &AtomicU64) -> Option<u64> {
    Some(value.load(Ordering::Relaxed)).filter(|value| *value != 0)
}

impl Task for &'static Thread {
    fn priority(&self) -> usize {
        usize::from(self.priority.load(Ordering::Relaxed))
    }

    fn may_run_on(&self, cpu: usize) -> bool {
        self.affinity() & 1 << cpu != 0
    }

    fn weight(&self) -> u64 {
        self.weight.load(Ordering::Relaxed)
    }

    fn declared(&self) -> Option<u64> {
        nonzero(&self.length)
    }

    fn remaining(&self) -> Option<u64> {
        let end = self.length_end.load(Ordering::Relaxed);
        self.declared().map(|_| end.saturating_sub(self.ran()))
    }

    fn deadline(&self) -> Option<u64> {
        nonzero(&self.deadline)
    }

    fn ran(&self) -> u64 {
        self.ran.load(Ordering::Relaxed)
    }

    fn note(&self) -> Note {
        let [value, ran] = &self.note;
        Note {
            value: value.load(Ordering::Relaxed),
            ran: ran.load(Ordering::Relaxed),
        }
    }

    fn set_note(&self, note: Note) {
        let [value, ran] = &self.note;
        value.store(note.value, Ordering::Relaxed);
        ran.store(note.ran, Ordering::Relaxed);
    }
}

impl Queued for &'static Thread {
    #[inline]
    fn queue(&self) -> Option<usize> {
        usize::from(self.queue.load(Ordering::Relaxed)).checked_sub(1)
    }

    #[inline]
    fn set_queue(&self, cpu: Option<usize>) {
        let number = cpu.map_or(0, |cpu| cpu as u8 + 1);
        self.queue.store(number, Ordering::Relaxed);
    }
}
