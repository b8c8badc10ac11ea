//! Signals: sent by processes, taken by threads on their way to ring 3.
//!
//! ```text
//! send ─> pending, of the process ──> attend, of a thread whose mask lets it through
//!                                         │ default: ends the process, or nothing
//!                                         └ handler: registers go to the program's stack
//!   ring 3: entry code ─> handler ─> SignalReturn ─> registers come back
//! ```
//! While nothing is pending, signals cost no instruction: a process has one flag for all that its threads
//! have to look at on their way out.

mod state;

use core::sync::atomic::Ordering;

use abi::signal::{CHILD, DEFAULT, IGNORE, KILL, LAST, MaskChange, SignalFrame, bit};
use abi::syscall::{EndCause, Errno, ExitStatus};

use super::end::{end, exit_thread};
use super::{FIRST_PID, Process, current};
use crate::arch::USER_END;
use crate::arch::trap::{self, TrapFrame};
use crate::sched::{self, Thread};
use crate::sync::SpinLock;
use state::{Action, Pending, State};

/// Below rsp so many bytes are the program's still (psABI for x86-64, 3.2.2).
const RED_ZONE: u64 = 128;
/// Alignment of the stack at a frame.
const STACK_ALIGN: u64 = 16;
/// What a mask can hold back.
const MASKABLE: u64 = (bit(LAST + 1) - 1) & !bit(KILL) & !bit(0);

/// The signals of a process.
pub(crate) struct Signals(SpinLock<State>);

impl Signals {
    pub(super) const fn new() -> Self {
        Self(SpinLock::new(State::new()))
    }

    /// For another program: nothing set, nothing pending.
    pub(super) fn reset(&self) {
        self.0.lock().reset();
    }

    /// For a child of `parent`.
    pub(super) fn inherit(&self, parent: &Self) {
        let actions = parent.0.lock().actions();
        self.0.lock().inherit(&actions);
    }

    /// A thread has ended.
    pub(super) fn forget(&self, thread: &Thread) {
        self.0.lock().forget(thread.tid.load(Ordering::Relaxed));
    }

    fn has_for(&self, thread: &Thread) -> bool {
        let tid = thread.tid.load(Ordering::Relaxed);
        self.0.lock().has(tid, mask_of(thread))
    }
}

fn mask_of(thread: &Thread) -> u64 {
    thread.signal_mask.load(Ordering::Relaxed)
}

impl Process {
    /// Whether the running thread, which is one of this process, should wait no longer: it has to end or
    /// to take a signal.
    pub fn is_disturbed(&self) -> bool {
        self.needs_attention() && (self.is_ending() || self.signals.has_for(sched::current()))
    }
}

/// Sets what the running process does with signal `number`; the handler before.
pub(crate) fn set_action(number: u64, handler: u64, entry: u64, mask: u64) -> Result<u64, Errno> {
    let is_address = handler != DEFAULT && handler != IGNORE;
    if is_address && (handler >= USER_END || entry >= USER_END) {
        return Err(Errno::Fault);
    }
    let action = Action {
        handler,
        entry,
        mask,
    };
    current().signals.0.lock().set_action(number, action)
}

/// Changes what the running thread holds back; what it held back before.
pub(crate) fn change_mask(change: MaskChange, set: u64) -> u64 {
    let mask = &sched::current().signal_mask;
    let before = mask.load(Ordering::Relaxed);
    let after = match change {
        MaskChange::Set => set,
        MaskChange::Block => before | set,
        MaskChange::Unblock => before & !set,
    };
    mask.store(after & MASKABLE, Ordering::Relaxed);
    before
}

/// The set of signals that are pending for the running thread, held back or not.
pub(crate) fn pending() -> u64 {
    let tid = sched::current().tid.load(Ordering::Relaxed);
    current().signals.0.lock().pending(tid)
}

/// Sends a signal to process `pid`, which is the running one, its parent or a child of it, for thread
/// `tid` of it or, for 0, for any; whether it is pending besides what was.
pub(crate) fn send(pid: u64, tid: u64, number: u64, value: u64) -> Result<bool, Errno> {
    let process = reachable(pid).ok_or(Errno::Srch)?;
    if tid != 0 && process.has_thread(tid) != Some(true) {
        return Err(Errno::Srch);
    }
    let signal = Pending { number, value, tid };
    let is_new = process.signals.0.lock().add(signal)?;
    process.attention.store(true, Ordering::SeqCst);
    let threads = process.threads.lock().clone();
    let is_meant = |thread: &&&Thread| {
        let own = thread.tid.load(Ordering::Relaxed);
        (tid == 0 || tid == own) && mask_of(thread) & bit(number) == 0
    };
    if let Some(thread) = threads.iter().find(is_meant)
        && !sched::wake(thread)
    {
        // In ring 3, maybe: an interrupt makes it come in and look.
        sched::poke(thread);
    }
    Ok(is_new)
}

fn reachable(pid: u64) -> Option<&'static Process> {
    let me = current();
    if pid == 0 || pid == me.pid() {
        return Some(me);
    }
    if let Some(parent) = me.parent.load().filter(|parent| parent.pid() == pid) {
        return Some(parent);
    }
    let children = me.children.lock();
    let child = children.iter().copied().find(|child| child.pid() == pid);
    child.filter(|child| !child.ended.load(Ordering::Acquire))
}

/// What a thread has to do besides entering ring 3 with `frame`: it ends, or takes a signal. Of a system
/// call's frame, `scratch` is what its lost registers hold.
#[cold]
pub(crate) fn attend(frame: &mut TrapFrame, scratch: Scratch) {
    let process = current();
    if !process.is_ending() {
        while let Some((signal, action)) = next(process) {
            if deliver(process, frame, scratch, signal, action) {
                break;
            }
        }
    }
    if process.is_ending() {
        exit_thread();
    }
}

/// What the registers hold that a system call loses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scratch {
    /// The program's values.
    Valid,
    /// The kernel's, which are nobody else's business.
    Lost,
}

/// The next signal that the running thread takes, and what is to be done with it.
fn next(process: &Process) -> Option<(Pending, Action)> {
    let me = sched::current();
    let mut state = process.signals.0.lock();
    let signal = state.take(me.tid.load(Ordering::Relaxed), mask_of(me));
    if state.is_idle() {
        process.attention.store(false, Ordering::SeqCst);
        if process.is_ending() {
            process.attention.store(true, Ordering::SeqCst);
        }
    }
    let default = Action {
        handler: DEFAULT,
        entry: 0,
        mask: 0,
    };
    signal.map(|signal| (signal, state.action(signal.number).unwrap_or(default)))
}

/// Does what `action` says; whether `frame` leads to a handler now.
fn deliver(
    process: &'static Process,
    frame: &mut TrapFrame,
    scratch: Scratch,
    signal: Pending,
    action: Action,
) -> bool {
    match action.handler {
        IGNORE => false,
        DEFAULT => {
            // The machine goes on without handlers in its first program.
            if signal.number != CHILD && process.pid() != FIRST_PID {
                end(process, ended_by(EndCause::Signal, signal.number));
            }
            false
        }
        _ => {
            if let Err(address) = enter(process, frame, scratch, signal, action) {
                end(process, ended_by(EndCause::PageFault, address));
            }
            true
        }
    }
}

fn ended_by(cause: EndCause, detail: u64) -> ExitStatus {
    ExitStatus {
        cause: cause as u32,
        code: 0,
        detail,
    }
}

/// Puts the registers on the program's stack and lets it go on at its entry code; the address, if the
/// stack is none.
fn enter(
    process: &Process,
    frame: &mut TrapFrame,
    scratch: Scratch,
    signal: Pending,
    action: Action,
) -> Result<(), u64> {
    let me = sched::current();
    let saved = SignalFrame {
        mask: mask_of(me),
        number: signal.number,
        value: signal.value,
        handler: action.handler,
        ..registers(frame, scratch)
    };
    let room = RED_ZONE + size_of::<SignalFrame>() as u64;
    let at = frame.rsp.wrapping_sub(room) & !(STACK_ALIGN - 1);
    let written = process.with_space(|space| space.write(at, &saved));
    written.map_err(|_| at)?;
    let held_back = saved.mask | action.mask | bit(signal.number);
    me.signal_mask
        .store(held_back & MASKABLE, Ordering::Relaxed);
    // The other registers stay: after `signal_return` those are in the frame that the entry code saves.
    frame.enter(action.entry, at);
    (frame.rdi, frame.rsi, frame.rdx) = (signal.number, signal.value, action.handler);
    Ok(())
}

fn registers(frame: &TrapFrame, scratch: Scratch) -> SignalFrame {
    let (rcx, r11) = match scratch {
        Scratch::Valid => (frame.rcx, frame.r11),
        Scratch::Lost => (0, 0),
    };
    SignalFrame {
        r11,
        r10: frame.r10,
        r9: frame.r9,
        r8: frame.r8,
        rdi: frame.rdi,
        rsi: frame.rsi,
        rdx: frame.rdx,
        rcx,
        rax: frame.rax,
        rip: frame.rip,
        rflags: frame.rflags,
        rsp: frame.rsp,
        ..SignalFrame::default()
    }
}

/// Goes on where the [`SignalFrame`] at `address` says, which the program may have made up: in ring 3,
/// below the kernel's addresses, with flags that it may set.
pub(crate) fn signal_return(frame: &mut TrapFrame, address: u64) -> Result<u64, Errno> {
    let saved: SignalFrame = current().with_space(|space| space.read(address))?;
    if saved.rip >= USER_END {
        return Err(Errno::Inval);
    }
    let mask = saved.mask & MASKABLE;
    sched::current().signal_mask.store(mask, Ordering::Relaxed);
    let mut resumed = TrapFrame::user(saved.rip, saved.rsp, [saved.rdi, saved.rsi]);
    resumed.set_flags(saved.rflags);
    *frame = TrapFrame {
        r15: saved.r15,
        r14: saved.r14,
        r13: saved.r13,
        r12: saved.r12,
        rbp: saved.rbp,
        rbx: saved.rbx,
        r11: saved.r11,
        r10: saved.r10,
        r9: saved.r9,
        r8: saved.r8,
        rdx: saved.rdx,
        rcx: saved.rcx,
        rax: saved.rax,
        ..resumed
    };
    trap::resume(frame)
}
