//! What the scheduler is told, and tells.

use super::{call, plain};
use abi::syscall::{Errno, Inheritance, Sysno, TaskAttribute, Turn};

/// [`Sysno::SetScheduler`].
pub fn set_scheduler(name: &str, slice_ns: u64) -> Result<(), Errno> {
    let (address, len) = (name.as_ptr().addr() as u64, name.len() as u64);
    // SAFETY: the range is that of a live string, which the kernel only reads.
    unsafe { call(Sysno::SetScheduler, [address, len, slice_ns]) }.map(drop)
}

/// [`Sysno::SetScheduler`] with a name that may not exist.
pub fn set_scheduler_wild(address: u64, len: u64) -> Result<(), Errno> {
    plain(Sysno::SetScheduler, [address, len, 0]).map(drop)
}

/// [`Sysno::SetTask`].
pub fn set_task(attribute: TaskAttribute, value: u64) -> Result<(), Errno> {
    plain(Sysno::SetTask, [attribute as u64, value, 0]).map(drop)
}

/// [`Sysno::ThreadTime`].
pub fn thread_time_ns() -> Result<u64, Errno> {
    plain(Sysno::ThreadTime, [0; 3])
}

/// [`Sysno::TraceTurns`].
pub fn trace_turns(capacity: u64) -> Result<(), Errno> {
    plain(Sysno::TraceTurns, [capacity, 0, 0]).map(drop)
}

/// [`Sysno::ReadTurns`]; how many were there for `turns`.
pub fn read_turns(first: usize, turns: &mut [Turn]) -> Result<usize, Errno> {
    let address = turns.as_mut_ptr().addr() as u64;
    // SAFETY: the kernel writes at most so many `Turn`s, which are any bytes, to a live slice.
    let read = unsafe {
        call(
            Sysno::ReadTurns,
            [address, first as u64, turns.len() as u64],
        )
    }?;
    Ok(turns.len().min(read as usize))
}

/// [`Sysno::ReadTurns`] to memory that may not exist or be the kernel's.
pub fn read_turns_wild(address: u64, count: u64) -> Result<(), Errno> {
    plain(Sysno::ReadTurns, [address, 0, count]).map(drop)
}

/// [`Sysno::SetStealing`].
pub fn set_stealing(is_on: u64) -> Result<(), Errno> {
    plain(Sysno::SetStealing, [is_on, 0, 0]).map(drop)
}

/// [`Sysno::SleepUntil`].
pub fn sleep_until(ns: u64) -> Result<(), Errno> {
    plain(Sysno::SleepUntil, [ns, 0, 0]).map(drop)
}

/// [`Sysno::TakeLock`].
pub fn take_lock(number: u64, inheritance: Inheritance) -> Result<(), Errno> {
    plain(Sysno::TakeLock, [number, inheritance as u64, 0]).map(drop)
}

/// [`Sysno::GiveLock`].
pub fn give_lock(number: u64) -> Result<(), Errno> {
    plain(Sysno::GiveLock, [number, 0, 0]).map(drop)
}
