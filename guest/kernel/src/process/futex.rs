//! Waiting for a word of a process's memory.

use abi::syscall::Errno;

use super::current;
use crate::mm::fault::Access;
use crate::mm::user;
use crate::sched::{self, WaitQueue};

/// What waits here is woken one by one, by [`futex_wake`].
static WAITERS: WaitQueue = WaitQueue::new();

/// Sleeps while the word at `address` is `expected`, until woken or `deadline_ns`.
pub(crate) fn futex_wait(address: u64, expected: u32, deadline_ns: u64) -> Result<(), Errno> {
    let (process, me) = (current(), sched::current());
    if !address.is_multiple_of(4) {
        return Err(Errno::Inval);
    }
    // In the list before the word is looked at: whoever changes it afterwards sees us there.
    process.futexes.lock().push((address, me));
    let is_waiting = || {
        process
            .futexes
            .lock()
            .iter()
            .any(|(_, thread)| core::ptr::eq(*thread, me))
    };
    let word = process.with_space(|space| space.touch(address, Access::Read).map(user::load_word));
    let result = match word {
        Err(error) => Err(error),
        Ok(word) if word != expected => Err(Errno::Again),
        Ok(_)
            if WAITERS
                .wait_until_deadline(|| !is_waiting() || process.is_ending(), deadline_ns) =>
        {
            Ok(())
        }
        Ok(_) => Err(Errno::TimedOut),
    };
    process
        .futexes
        .lock()
        .retain(|(_, thread)| !core::ptr::eq(*thread, me));
    result
}

/// Wakes up to `count` threads that wait for the word at `address`; how many.
pub(crate) fn futex_wake(address: u64, count: u64) -> u64 {
    let process = current();
    let mut woken = 0;
    while woken < count {
        let thread = {
            let mut futexes = process.futexes.lock();
            let position = futexes.iter().position(|(at, _)| *at == address);
            position.map(|position| futexes.remove(position).1)
        };
        let Some(thread) = thread else {
            break;
        };
        sched::wake(thread);
        woken += 1;
    }
    woken
}
