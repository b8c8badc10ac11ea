//! Who ran when, on which processor, and why each left it: kept while a program asks for it.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use abi::syscall::{Errno, Leave, Turn};

use super::Thread;
use super::policy::Why;
use super::thread::State;
use crate::arch::{clock, cpu_id};
use crate::sync::SpinLock;

/// Most turns that are kept.
pub const MOST_TURNS: u64 = 8192;

static IS_ON: AtomicBool = AtomicBool::new(false);
static TURNS: SpinLock<Vec<Turn>> = SpinLock::new(Vec::new());

/// Forgets all turns, and keeps the next ones, at most so many.
pub fn keep(capacity: usize) -> Result<(), Errno> {
    IS_ON.store(false, Ordering::SeqCst);
    let mut turns = Vec::new();
    turns
        .try_reserve_exact(capacity)
        .map_err(|_| Errno::NoMem)?;
    let old = core::mem::replace(&mut *TURNS.lock(), turns);
    drop(old);
    IS_ON.store(capacity > 0, Ordering::SeqCst);
    Ok(())
}

/// Turn number `index` of those kept.
pub fn get(index: usize) -> Option<Turn> {
    TURNS.lock().get(index).copied()
}

/// Whether turns are kept.
#[inline]
pub(super) fn are_kept() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// `thread` was on this processor from `from` to `to`, times of the counter; `why` it leaves, if it
/// is ready to go on.
#[cold]
pub(super) fn note(thread: &Thread, from: u64, to: u64, why: Why) {
    let leave = match (thread.state(), why) {
        (State::Blocked, _) => Leave::Blocked,
        (State::Dead, _) => Leave::Ended,
        (_, Why::SliceEnded) => Leave::SliceEnded,
        (_, Why::Preempted) => Leave::Preempted,
        _ => Leave::Yielded,
    };
    let turn = Turn {
        pid: thread.pid.load(Ordering::Relaxed) as u32,
        tid: thread.tid.load(Ordering::Relaxed) as u32,
        cpu: cpu_id(),
        leave: leave as u32,
        from_ns: clock::ns_at(from),
        to_ns: clock::ns_at(to),
    };
    let mut turns = TURNS.lock();
    if turns.len() < turns.capacity() {
        turns.push(turn);
    }
}
