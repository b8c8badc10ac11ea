//! Locks of the kernel's for the threads of a process, by number: each taking and giving back is a
//! system call, so that the kernel knows who has which, and may let the owner inherit the priority
//! of who waits (Sha, Rajkumar, Lehoczky: Priority Inheritance Protocols, 1990; without chains: who
//! waits for another lock itself does not pass on what it inherits).

use abi::syscall::{Errno, Inheritance};

use super::{Process, current};
use crate::sched::{self, Thread, WaitQueue};

/// Locks that the threads of a process may have at a time.
const MOST: usize = 64;

/// All who wait for some lock; they are few, and look for themselves.
static WAITERS: WaitQueue = WaitQueue::new();

/// Waits for lock `number` of the running process and takes it.
pub(crate) fn take_lock(number: u64, inheritance: Inheritance) -> Result<(), Errno> {
    let (process, me) = (current(), sched::current());
    let mut outcome = Ok(None);
    WAITERS.wait_until(|| {
        outcome = try_take(process, number, me);
        if let (Ok(Some(owner)), Inheritance::Priority) = (outcome, inheritance) {
            bequeath(me, owner);
        }
        !matches!(outcome, Ok(Some(_))) || process.is_ending()
    });
    outcome.map(drop)
}

/// Takes it if nobody has it; else who does.
fn try_take(
    process: &Process,
    number: u64,
    me: &'static Thread,
) -> Result<Option<&'static Thread>, Errno> {
    let mut locks = process.locks.lock();
    match locks.iter().find(|lock| lock.0 == number) {
        Some((_, owner)) if core::ptr::eq(*owner, me) => Err(Errno::Inval),
        Some((_, owner)) => Ok(Some(*owner)),
        None if locks.len() == MOST => Err(Errno::NoMem),
        None => {
            locks.push((number, me));
            Ok(None)
        }
    }
}

/// Lets `owner`, who may be waiting for a processor, have the priority of `me`.
fn bequeath(me: &Thread, owner: &'static Thread) {
    if owner.inherit(me.effective_priority()) {
        sched::reorder(owner);
    }
}

/// Gives lock `number` back, and with it what was inherited.
pub(crate) fn give_lock(number: u64) -> Result<(), Errno> {
    let (process, me) = (current(), sched::current());
    let mut locks = process.locks.lock();
    let is_it = |lock: &(u64, &'static Thread)| lock.0 == number && core::ptr::eq(lock.1, me);
    let index = locks.iter().position(is_it).ok_or(Errno::Perm)?;
    locks.swap_remove(index);
    drop(locks);
    me.disinherit();
    WAITERS.wake_all();
    sched::reschedule();
    Ok(())
}

/// Gives back all that `me`, which is ending, has.
pub(super) fn give_all(process: &Process, me: &Thread) {
    let mut locks = process.locks.lock();
    if locks.is_empty() {
        return;
    }
    locks.retain(|(_, owner)| !core::ptr::eq(*owner, me));
    drop(locks);
    WAITERS.wake_all();
}
