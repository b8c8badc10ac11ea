//! Signals.

use abi::signal::MaskChange;
use abi::syscall::Errno;

use super::Outcome;
use crate::arch::trap::TrapFrame;
use crate::process::signal;

pub(super) fn sys_signal_action(number: u64, handler: u64, entry: u64, mask: u64) -> Outcome {
    signal::set_action(number, handler, entry, mask)
}

pub(super) fn sys_signal_mask(change: u64, set: u64) -> Outcome {
    let change = MaskChange::from_number(change).ok_or(Errno::Inval)?;
    Ok(signal::change_mask(change, set))
}

pub(super) fn sys_signal_send(pid: u64, tid: u64, number: u64, value: u64) -> Outcome {
    signal::send(pid, tid, number, value).map(u64::from)
}

pub(super) fn sys_signal_return(frame: &mut TrapFrame, address: u64) -> Outcome {
    signal::signal_return(frame, address)
}

pub(super) fn sys_signal_pending() -> Outcome {
    Ok(signal::pending())
}
