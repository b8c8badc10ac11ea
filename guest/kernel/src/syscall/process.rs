//! Processes, and the machine.

use core::sync::atomic::Ordering::Relaxed;

use abi::port::Exit;
use abi::syscall::{Errno, ForkKind, Stats, SysInfo};

use super::Outcome;
use crate::arch::clock::Source;
use crate::arch::trap::TrapFrame;
use crate::arch::{clock, fpu, power};
use crate::mm::frame;
use crate::process::{self, FIRST_PID, current};
use crate::time::{NEVER, deadline};
use crate::{drivers, irq, machine, sched};

/// Longest path and arguments that are read.
const MAX_TEXT: u64 = 4096;

pub(super) fn sys_exit(code: u64) -> Outcome {
    process::exit(code as i32);
    Ok(0)
}

pub(super) fn sys_fork(frame: &TrapFrame) -> Outcome {
    let kind = ForkKind::from_number(frame.rdi).ok_or(Errno::Inval)?;
    let registers = TrapFrame {
        rax: 0,
        rcx: 0,
        r11: 0,
        ..*frame
    };
    process::fork(registers, kind)
}

pub(super) fn sys_exec(frame: &mut TrapFrame, path: (u64, u64), arguments: (u64, u64)) -> Outcome {
    let (path, arguments) = (text(path)?, text(arguments)?);
    *frame = process::exec(&path, &arguments)?;
    Ok(0)
}

/// The bytes that a program gives by address and length.
pub(super) fn text((address, len): (u64, u64)) -> Result<alloc::vec::Vec<u8>, Errno> {
    if len > MAX_TEXT {
        return Err(Errno::Inval);
    }
    current().with_space(|space| space.read_bytes(address, len as usize))
}

pub(super) fn sys_wait(pid: u64, status: u64, timeout_ns: u64) -> Outcome {
    let end = if timeout_ns == NEVER {
        NEVER
    } else {
        deadline(timeout_ns)
    };
    let (pid, ended) = process::wait_for_child(pid, end)?;
    if status != 0 {
        current().with_space(|space| space.write(status, &ended))?;
    }
    Ok(pid)
}

pub(super) fn sys_kill(pid: u64) -> Outcome {
    process::kill(pid).map(|()| 0)
}

pub(super) fn sys_get_pid() -> Outcome {
    Ok(current().pid())
}

pub(super) fn sys_get_stats(address: u64) -> Outcome {
    let process = current();
    let own = &process.shared.counters;
    let totals = sched::totals();
    let devices = drivers::counters();
    let stats = Stats {
        page_faults: own.page_faults.load(Relaxed),
        zero_fills: own.zero_fills.load(Relaxed),
        cow_copies: own.cow_copies.load(Relaxed),
        cow_reuses: own.cow_reuses.load(Relaxed),
        evictions_written: own.evictions_written.load(Relaxed),
        evictions_clean: own.evictions_clean.load(Relaxed),
        swap_ins: own.swap_ins.load(Relaxed),
        resident_pages: own.resident_pages.load(Relaxed),
        context_switches: totals.context_switches,
        preemptions: totals.preemptions,
        switch_ns: totals.switch_ns,
        wait_ns: totals.wait_ns,
        max_wait_ns: totals.max_wait_ns,
        timer_interrupts: totals.timer_interrupts,
        device_interrupts: irq::COUNT.load(Relaxed),
        fpu_loads: fpu::LOADS.load(Relaxed),
        block_requests: devices.block_requests,
        notifications: devices.notifications,
        free_frames: frame::free_frames(),
        fresh_frames: frame::fresh_frames(),
    };
    process.with_space(|space| space.write(address, &stats).map(|()| 0))
}

pub(super) fn sys_get_sys_info(address: u64) -> Outcome {
    let (source, tsc_khz) = clock::rate();
    let settings = sched::settings();
    let machine = machine::get();
    let info = SysInfo {
        cpus: u64::from(machine.cpus),
        memory_bytes: machine.memory_bytes,
        tsc_khz,
        kvmclock: u64::from(source == Source::KvmClock),
        slice_ns: settings.slice_ns,
        sched_priority: u64::from(settings.policy == sched::policy::Policy::Priority),
    };
    current().with_space(|space| space.write(address, &info).map(|()| 0))
}

pub(super) fn sys_power_off(code: u64) -> Outcome {
    if current().pid() != FIRST_PID {
        return Err(Errno::Perm);
    }
    power::end(if code == 0 {
        Exit::PowerOff
    } else {
        Exit::Failed
    } as u8)
}
