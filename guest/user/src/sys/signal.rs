//! System calls about signals, a function each, in the order of [`Sysno`].

use abi::signal::MaskChange;
use abi::syscall::{Errno, Sysno};

use super::{Pid, Tid, call, call_long, plain};

/// [`Sysno::SignalAction`]; the handler before.
///
/// # Safety
/// `entry` is code that expects what the kernel leaves there, and calls `handler`, which may be called so.
pub unsafe fn signal_action(
    number: u64,
    handler: u64,
    entry: u64,
    mask: u64,
) -> Result<u64, Errno> {
    // SAFETY: as above.
    unsafe { call_long(Sysno::SignalAction, [number, handler, entry, mask, 0]) }
}

/// [`Sysno::SignalMask`]; the set before.
pub fn signal_mask(change: MaskChange, set: u64) -> Result<u64, Errno> {
    plain(Sysno::SignalMask, [change as u64, set, 0])
}

/// [`Sysno::SignalSend`] to a process, or a thread of it; whether it was not pending already.
pub fn signal_send(
    process: Pid,
    thread: Option<Tid>,
    number: u64,
    value: u64,
) -> Result<bool, Errno> {
    let tid = thread.map_or(0, |thread| thread.0);
    // SAFETY: no address is among the arguments.
    let sent = unsafe { call_long(Sysno::SignalSend, [process.0, tid, number, value, 0]) }?;
    Ok(sent != 0)
}

/// [`Sysno::SignalReturn`]; why it did not.
///
/// # Safety
/// If a [`abi::signal::SignalFrame`] is at `address`, the program may go on where that says.
pub unsafe fn signal_return(address: u64) -> Errno {
    // SAFETY: as above.
    let result = unsafe { call(Sysno::SignalReturn, [address, 0, 0]) };
    result.err().unwrap_or(Errno::Io)
}

/// [`Sysno::SignalPending`]; the set.
pub fn signal_pending() -> Result<u64, Errno> {
    plain(Sysno::SignalPending, [0; 3])
}
