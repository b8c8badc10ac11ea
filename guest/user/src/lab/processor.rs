//! Work that is a length of processor time: a host that takes the processor away, and other
//! threads, change nothing of it.

use crate::sys;
use crate::time::now_ns;
use abi::syscall::Errno;
use core::hint::spin_loop;

/// Computes until this thread has had `ns` more of processor time; how much it had.
pub fn spend(ns: u64) -> Result<u64, Errno> {
    let start = sys::thread_time_ns()?;
    loop {
        let had = sys::thread_time_ns()? - start;
        if had >= ns {
            return Ok(had);
        }
        // Without others in between this is all; else there is more to do.
        let end = now_ns() + (ns - had);
        while now_ns() < end {
            spin_loop();
        }
    }
}
