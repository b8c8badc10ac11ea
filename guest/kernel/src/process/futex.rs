//! Waiting for a word of memory: of a process's own by the word's address, of memory that processes have
//! in common by where it is in physical memory, which is the same for all of them.

use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

use abi::syscall::Errno;

use super::{Process, current};
use crate::mm::common::release_word;
use crate::mm::fault::Access;
use crate::mm::{PhysAddr, user};
use crate::sched::{self, Thread, WaitQueue};
use crate::sync::SpinLock;

/// What waits here is woken one by one, by [`futex_wake`].
static WAITERS: WaitQueue = WaitQueue::new();

/// Threads that wait, each with its word's address.
pub(super) type Sleepers = SpinLock<Vec<(u64, &'static Thread)>>;

/// Those that wait for words of common memory, by physical address.
static COMMON: Sleepers = SpinLock::new(Vec::new());

/// A word that is waited for: the list that its waiters are in, and its name there.
struct Key {
    sleepers: &'static Sleepers,
    address: u64,
    /// A frame that stays in use as long as this exists, so that its address means no other word.
    frame: Option<PhysAddr>,
}

impl Key {
    /// That of the word at `address` of `process`, which is the running one.
    fn of(process: &'static Process, address: u64) -> Result<Self, Errno> {
        let frame = match process.shared.has_common.load(Relaxed) {
            true => process.with_space(|space| space.common_word(address))?,
            false => None,
        };
        Ok(Self {
            sleepers: if frame.is_some() {
                &COMMON
            } else {
                &process.futexes
            },
            address: frame.map_or(address, |frame| frame.0),
            frame,
        })
    }

    fn is_waited_for_by(&self, me: &Thread) -> bool {
        let sleepers = self.sleepers.lock();
        sleepers
            .iter()
            .any(|(_, thread)| core::ptr::eq(*thread, me))
    }

    /// Takes `me` out of the list, if it is there still.
    fn remove(&self, me: &Thread) -> bool {
        let mut sleepers = self.sleepers.lock();
        let position = sleepers
            .iter()
            .position(|(_, thread)| core::ptr::eq(*thread, me));
        position.map(|position| sleepers.remove(position)).is_some()
    }

    /// Takes the thread that has waited longest out of the list.
    fn take_first(&self) -> Option<&'static Thread> {
        let mut sleepers = self.sleepers.lock();
        let position = sleepers.iter().position(|(at, _)| *at == self.address);
        position.map(|position| sleepers.remove(position).1)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        if let Some(frame) = self.frame {
            release_word(frame);
        }
    }
}

/// Sleeps while the word at `address` is `expected`, until woken or `deadline_ns`.
pub(crate) fn futex_wait(address: u64, expected: u32, deadline_ns: u64) -> Result<(), Errno> {
    let (process, me) = (current(), sched::current());
    if !address.is_multiple_of(4) {
        return Err(Errno::Inval);
    }
    let key = Key::of(process, address)?;
    // In the list before the word is looked at: whoever changes it afterwards sees us there.
    key.sleepers.lock().push((key.address, me));
    let is_woken = || !key.is_waited_for_by(me) || process.is_disturbed();
    let word = process.with_space(|space| space.touch(address, Access::Read).map(user::load_word));
    let result = match word {
        Err(error) => Err(error),
        Ok(word) if word != expected => Err(Errno::Again),
        Ok(_) if WAITERS.wait_until_deadline(is_woken, deadline_ns) => Ok(()),
        Ok(_) => Err(Errno::TimedOut),
    };
    match key.remove(me) {
        true if result.is_ok() => Err(Errno::Intr),
        true => result,
        // Whoever woke it has counted it, whatever else has ended its sleep.
        false => Ok(()),
    }
}

/// Wakes up to `count` threads that wait for the word at `address`; how many.
pub(crate) fn futex_wake(address: u64, count: u64) -> Result<u64, Errno> {
    let key = Key::of(current(), address)?;
    let mut woken = 0;
    while woken < count
        && let Some(thread) = key.take_first()
    {
        sched::wake(thread);
        woken += 1;
    }
    Ok(woken)
}
