//! [`Scheduler`]: a scheduling policy for as long as a program wants it.

use crate::check::Failure;
use crate::sys;
use abi::syscall::Errno;
use alloc::format;

/// The policy that was chosen, until this is dropped; then that of the command line.
pub struct Scheduler(());

impl Scheduler {
    /// The policy of that name, with slices of so many microseconds, or the usual ones for 0.
    pub fn choose(name: &str, slice_us: u64) -> Result<Self, Failure> {
        match sys::set_scheduler(name, slice_us.saturating_mul(1000)) {
            Ok(()) => Ok(Self(())),
            Err(Errno::Inval) => Err(Failure(format!(
                "policy={name} is no scheduling policy (a file of the kernel's sched/policy each), \
                 or slice_us={slice_us} is not 250 to 10000000"
            ))),
            Err(errno) => Err(Failure(format!("set scheduler: {errno:?}"))),
        }
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        // The command line's choice is always there.
        let _ = sys::set_scheduler("", 0);
        let _ = sys::set_stealing(1);
    }
}
