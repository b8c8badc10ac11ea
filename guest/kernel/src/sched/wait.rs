//! Waiting until something holds.

use alloc::vec::Vec;
use core::mem;
use core::sync::atomic::{AtomicUsize, Ordering};

use super::thread::State;
use super::{Thread, current, is_idle, schedule, sleep, wake};
use crate::arch::cpu;
use crate::sync::SpinLock;
use crate::time::{NEVER, now_ns};

/// Threads that wait for something to change.
///
/// Whoever changes it calls [`WaitQueue::wake_all`] afterwards, or [`WaitQueue::wake_one`], also
/// from an interrupt handler; each waiter looks for itself whether the change is what it waits for.
pub struct WaitQueue {
    waiters: SpinLock<Vec<&'static Thread>>,
    /// Length of `waiters`, to find out without the lock that there are none.
    len: AtomicUsize,
}

impl WaitQueue {
    /// Nobody waits.
    pub const fn new() -> Self {
        Self {
            waiters: SpinLock::new(Vec::new()),
            len: AtomicUsize::new(0),
        }
    }

    /// Returns when `condition` holds, at once if it does.
    pub fn wait_until(&self, condition: impl FnMut() -> bool) {
        self.wait_until_deadline(condition, NEVER);
    }

    /// Returns true when `condition` holds, or false when it does not at `deadline_ns` or later.
    pub fn wait_until_deadline(
        &self,
        mut condition: impl FnMut() -> bool,
        deadline_ns: u64,
    ) -> bool {
        loop {
            if condition() {
                return true;
            }
            if deadline_ns != NEVER && now_ns() >= deadline_ns {
                // The host may have kept this processor from looking in time.
                return condition();
            }
            if self.sleep(&mut condition, deadline_ns) {
                return true;
            }
        }
    }

    /// Sleeps until woken, for whatever reason; true if `condition` was found to hold.
    fn sleep(&self, condition: &mut impl FnMut() -> bool, deadline_ns: u64) -> bool {
        let me = current();
        if is_idle(me) {
            // At boot there is nobody to switch to.
            cpu::wait_for_interrupt();
            return false;
        }
        me.set_state(State::Blocked);
        self.push(me);
        let holds = condition();
        if holds && me.change_state(State::Blocked, State::Running) {
            self.remove(me);
            return true;
        }
        let timer = (!holds && deadline_ns != NEVER).then(|| sleep::add(me, deadline_ns));
        schedule();
        if let Some(cpu) = timer {
            sleep::remove(me, cpu);
        }
        self.remove(me);
        holds
    }

    fn push(&self, thread: &'static Thread) {
        let mut waiters = self.waiters.lock();
        waiters.push(thread);
        self.len.store(waiters.len(), Ordering::SeqCst);
    }

    fn remove(&self, thread: &'static Thread) {
        if self.len.load(Ordering::SeqCst) == 0 {
            return;
        }
        let mut waiters = self.waiters.lock();
        waiters.retain(|other| !core::ptr::eq(*other, thread));
        self.len.store(waiters.len(), Ordering::SeqCst);
    }

    /// Lets all waiters look whether what they wait for holds.
    pub fn wake_all(&self) {
        // A waiter is in the queue before it looks a last time: past this fence, either it is
        // seen here or it sees what has changed.
        cpu::fence();
        if self.len.load(Ordering::Relaxed) == 0 {
            return;
        }
        let taken = {
            let mut waiters = self.waiters.lock();
            self.len.store(0, Ordering::SeqCst);
            mem::take(&mut *waiters)
        };
        for thread in taken {
            wake(thread);
        }
    }

    /// Lets the waiter that has been there longest look: for what only one can have, which it
    /// gives on by calling this in its turn.
    #[inline]
    pub fn wake_one(&self) {
        // As above.
        cpu::fence();
        if self.len.load(Ordering::Relaxed) != 0 {
            self.wake_first();
        }
    }

    #[cold]
    fn wake_first(&self) {
        while self.len.load(Ordering::Relaxed) != 0 {
            let first = {
                let mut waiters = self.waiters.lock();
                let first = (!waiters.is_empty()).then(|| waiters.remove(0));
                self.len.store(waiters.len(), Ordering::SeqCst);
                first
            };
            // One that does not sleep is on its way already, and may have looked.
            if first.is_none_or(wake) {
                return;
            }
        }
    }
}

impl Default for WaitQueue {
    fn default() -> Self {
        Self::new()
    }
}
