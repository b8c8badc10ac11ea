//! System calls, a function each, in the order of [`Sysno`]; what they do is said there.
//!
//! The safe ones hand the kernel only memory that the caller owns. Those that can pull memory
//! away from under Rust are `unsafe`; `mapping`, `thread` and `heap` wrap them.
#![expect(unsafe_code, reason = "the system call instruction itself")]

pub mod ipc;
mod paging;
mod schedule;
mod signal;

use abi::syscall::{
    Errno, ExitStatus, IoMode, PageSize, Phase, Protection, Replacement, Stats, SysInfo, Sysno,
    decode,
};
use core::arch::asm;
use core::sync::atomic::AtomicU32;

pub use paging::*;
pub use schedule::*;
pub use signal::*;

/// Number of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pid(pub u64);

/// Number of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tid(pub u64);

/// File descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fd(pub u32);

/// For ever, where a time-out is asked for.
pub const FOREVER: u64 = u64::MAX;

/// # Safety
/// Addresses among the arguments are valid for what this call does with them.
unsafe fn call(number: Sysno, args: [u64; 3]) -> Result<u64, Errno> {
    let result: i64;
    // SAFETY: the kernel keeps all registers but rax, rcx and r11 and does not touch the stack;
    // the caller vouches for the arguments.
    unsafe {
        asm!("syscall",
            inlateout("rax") number as u64 => result,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            lateout("rcx") _, lateout("r11") _,
            options(nostack));
    }
    decode(result)
}

/// A call of up to five arguments.
///
/// # Safety
/// As of [`call`].
unsafe fn call_long(number: Sysno, args: [u64; 5]) -> Result<u64, Errno> {
    let result: i64;
    // SAFETY: as in `call`.
    unsafe {
        asm!("syscall",
            inlateout("rax") number as u64 => result,
            in("rdi") args[0], in("rsi") args[1], in("rdx") args[2],
            in("r10") args[3], in("r8") args[4],
            lateout("rcx") _, lateout("r11") _,
            options(nostack));
    }
    decode(result)
}

/// A call without addresses among its arguments.
fn plain(number: Sysno, args: [u64; 3]) -> Result<u64, Errno> {
    // SAFETY: the numbers used below take no address with these arguments.
    unsafe { call(number, args) }
}

/// A call that takes the address and length of bytes to read.
fn with_bytes(number: Sysno, bytes: &[u8]) -> Result<u64, Errno> {
    let (address, len) = (bytes.as_ptr().addr() as u64, bytes.len() as u64);
    // SAFETY: the range is that of a live slice, which the kernel only reads.
    unsafe { call(number, [address, len, 0]) }
}

/// A call that ends the caller, of which it never returns.
fn last(number: Sysno, code: u64) -> ! {
    let _ = plain(number, [code, 0, 0]);
    // SAFETY: not reached; `ud2` has the kernel kill the program if it is.
    unsafe { asm!("ud2", options(noreturn, nostack)) }
}

fn fd_from(result: u64) -> Result<Fd, Errno> {
    u32::try_from(result).map(Fd).map_err(|_| Errno::Io)
}

/// [`Sysno::Exit`].
pub fn exit(code: i32) -> ! {
    last(Sysno::Exit, i64::from(code).cast_unsigned())
}

/// [`Sysno::Fork`]: `None` in the child, which has only the calling thread.
pub fn fork() -> Result<Option<Pid>, Errno> {
    let pid = plain(Sysno::Fork, [0; 3])?;
    Ok((pid != 0).then_some(Pid(pid)))
}

/// [`Sysno::Exec`]: `args` are joined by NUL; returns only when it failed.
pub fn exec(path: &str, args: &str) -> Errno {
    let (path_ptr, args_ptr) = (path.as_ptr().addr() as u64, args.as_ptr().addr() as u64);
    let result: i64;
    // SAFETY: both ranges are those of live strings, which the kernel only reads; on success
    // nothing of this program is left. Registers as in `call`.
    unsafe {
        asm!("syscall",
            inlateout("rax") Sysno::Exec as u64 => result,
            in("rdi") path_ptr, in("rsi") path.len(), in("rdx") args_ptr, in("r10") args.len(),
            lateout("rcx") _, lateout("r11") _,
            options(nostack));
    }
    decode(result).err().unwrap_or(Errno::Io)
}

/// [`Sysno::Wait`] for `child`, or for any child.
pub fn wait(child: Option<Pid>, timeout_ns: u64) -> Result<(Pid, ExitStatus), Errno> {
    let mut status = ExitStatus::default();
    let pid = child.map_or(0, |pid| pid.0);
    let address = (&raw mut status).addr() as u64;
    // SAFETY: the kernel writes one `ExitStatus`, which is any bytes, to `status`.
    let pid = unsafe { call(Sysno::Wait, [pid, address, timeout_ns]) }?;
    Ok((Pid(pid), status))
}

/// [`Sysno::Kill`].
pub fn kill(child: Pid) -> Result<(), Errno> {
    plain(Sysno::Kill, [child.0, 0, 0]).map(drop)
}

/// [`Sysno::GetPid`].
pub fn get_pid() -> Result<Pid, Errno> {
    plain(Sysno::GetPid, [0; 3]).map(Pid)
}

/// [`Sysno::ThreadSpawn`].
///
/// # Safety
/// `entry` is a function that never returns and may be given `argument`; `stack_top` is the top
/// of a stack that is this thread's own until it has ended.
pub unsafe fn thread_spawn(
    entry: extern "C" fn(usize) -> !,
    stack_top: usize,
    argument: usize,
) -> Result<Tid, Errno> {
    let entry = (entry as *const ()).addr() as u64;
    // SAFETY: as above.
    unsafe {
        call(
            Sysno::ThreadSpawn,
            [entry, stack_top as u64, argument as u64],
        )
    }
    .map(Tid)
}

/// [`Sysno::ThreadExit`].
pub fn thread_exit() -> ! {
    last(Sysno::ThreadExit, 0)
}

/// [`Sysno::ThreadJoin`].
pub fn thread_join(thread: Tid) -> Result<(), Errno> {
    plain(Sysno::ThreadJoin, [thread.0, 0, 0]).map(drop)
}

/// [`Sysno::Yield`].
pub fn yield_now() {
    // There is nothing that can fail, nor to do about it.
    let _ = plain(Sysno::Yield, [0; 3]);
}

/// [`Sysno::Sleep`].
pub fn sleep(ns: u64) -> Result<(), Errno> {
    plain(Sysno::Sleep, [ns, 0, 0]).map(drop)
}

/// [`Sysno::SetPriority`]; the old level.
pub fn set_priority(level: u64) -> Result<u64, Errno> {
    plain(Sysno::SetPriority, [level, 0, 0])
}

/// [`Sysno::SetAffinity`].
pub fn set_affinity(mask: u64) -> Result<(), Errno> {
    plain(Sysno::SetAffinity, [mask, 0, 0]).map(drop)
}

/// [`Sysno::GetCpu`].
pub fn get_cpu() -> Result<u64, Errno> {
    plain(Sysno::GetCpu, [0; 3])
}

/// [`Sysno::FutexWait`].
pub fn futex_wait(word: &AtomicU32, expected: u32, timeout_ns: u64) -> Result<(), Errno> {
    let address = word.as_ptr().addr() as u64;
    // SAFETY: the kernel reads the word, which is alive.
    unsafe { call(Sysno::FutexWait, [address, expected.into(), timeout_ns]) }.map(drop)
}

/// [`Sysno::FutexWake`]; how many were woken.
pub fn futex_wake(word: &AtomicU32, count: u64) -> Result<u64, Errno> {
    let address = word.as_ptr().addr() as u64;
    // SAFETY: the kernel takes the address as a name only.
    unsafe { call(Sysno::FutexWake, [address, count, 0]) }
}

/// [`Sysno::FutexWait`] for a word that may not exist.
pub fn futex_wait_wild(address: u64, expected: u32, timeout_ns: u64) -> Result<(), Errno> {
    plain(Sysno::FutexWait, [address, expected.into(), timeout_ns]).map(drop)
}

/// [`Sysno::FutexWake`] of a word that may not exist.
pub fn futex_wake_wild(address: u64) -> Result<u64, Errno> {
    plain(Sysno::FutexWake, [address, 1, 0])
}

/// [`Sysno::Mmap`]; the address.
pub fn mmap(bytes: usize, protection: Protection, size: PageSize) -> Result<usize, Errno> {
    let args = [bytes as u64, protection as u64, size as u64];
    let address = plain(Sysno::Mmap, args)?;
    usize::try_from(address).map_err(|_| Errno::Fault)
}

/// [`Sysno::Mmap`] with what need not be a [`PageSize`].
pub fn mmap_wild(bytes: u64, protection: Protection, size: u64) -> Result<u64, Errno> {
    plain(Sysno::Mmap, [bytes, protection as u64, size])
}

/// [`Sysno::MmapShared`]; the address.
pub fn mmap_shared(bytes: usize) -> Result<usize, Errno> {
    let address = plain(Sysno::MmapShared, [bytes as u64, 0, 0])?;
    usize::try_from(address).map_err(|_| Errno::Fault)
}

/// [`Sysno::Munmap`].
///
/// # Safety
/// Nothing in the range is used any more.
pub unsafe fn munmap(address: usize, bytes: usize) -> Result<(), Errno> {
    // SAFETY: as above.
    unsafe { call(Sysno::Munmap, [address as u64, bytes as u64, 0]) }.map(drop)
}

/// [`Sysno::Mprotect`].
///
/// # Safety
/// Nothing in the range is used in a way that `protection` forbids.
pub unsafe fn mprotect(address: usize, bytes: usize, protection: Protection) -> Result<(), Errno> {
    let args = [address as u64, bytes as u64, protection as u64];
    // SAFETY: as above.
    unsafe { call(Sysno::Mprotect, args) }.map(drop)
}

/// [`Sysno::SetFrameBudget`].
pub fn set_frame_budget(pages: u64, policy: Replacement) -> Result<(), Errno> {
    plain(Sysno::SetFrameBudget, [pages, policy as u64, 0]).map(drop)
}

/// [`Sysno::Open`].
pub fn open(path: &str) -> Result<Fd, Errno> {
    with_bytes(Sysno::Open, path.as_bytes()).and_then(fd_from)
}

/// [`Sysno::Close`].
pub fn close(fd: Fd) -> Result<(), Errno> {
    plain(Sysno::Close, [fd.0.into(), 0, 0]).map(drop)
}

/// [`Sysno::Read`]; the number of bytes, 0 at the end.
pub fn read(fd: Fd, to: &mut [u8]) -> Result<usize, Errno> {
    let (address, len) = (to.as_mut_ptr().addr() as u64, to.len() as u64);
    // SAFETY: the kernel writes bytes inside a live slice.
    let read = unsafe { call(Sysno::Read, [fd.0.into(), address, len]) }?;
    usize::try_from(read)
        .ok()
        .filter(|n| *n <= to.len())
        .ok_or(Errno::Io)
}

/// [`Sysno::Write`]; the number of bytes.
pub fn write(fd: Fd, from: &[u8]) -> Result<usize, Errno> {
    let (address, len) = (from.as_ptr().addr() as u64, from.len() as u64);
    // SAFETY: the kernel reads bytes of a live slice.
    let written = unsafe { call(Sysno::Write, [fd.0.into(), address, len]) }?;
    usize::try_from(written)
        .ok()
        .filter(|n| *n <= from.len())
        .ok_or(Errno::Io)
}

/// [`Sysno::Write`] of memory that may not exist: what the kernel says to bad addresses.
pub fn write_wild(fd: Fd, address: u64, len: u64) -> Result<u64, Errno> {
    plain(Sysno::Write, [fd.0.into(), address, len])
}

/// [`Sysno::Seek`]; `offset` in bytes.
pub fn seek(fd: Fd, offset: u64) -> Result<(), Errno> {
    plain(Sysno::Seek, [fd.0.into(), offset, 0]).map(drop)
}

/// [`Sysno::Flush`].
pub fn flush(fd: Fd) -> Result<(), Errno> {
    plain(Sysno::Flush, [fd.0.into(), 0, 0]).map(drop)
}

/// [`Sysno::Pipe`]; read end, write end.
pub fn pipe() -> Result<(Fd, Fd), Errno> {
    let mut ends = [0u32; 2];
    // SAFETY: the kernel writes two u32 to `ends`.
    unsafe { call(Sysno::Pipe, [ends.as_mut_ptr().addr() as u64, 0, 0]) }?;
    Ok((Fd(ends[0]), Fd(ends[1])))
}

/// [`Sysno::Dup`].
pub fn dup(from: Fd, to: Fd) -> Result<Fd, Errno> {
    plain(Sysno::Dup, [from.0.into(), to.0.into(), 0]).and_then(fd_from)
}

/// [`Sysno::SetIoMode`].
pub fn set_io_mode(fd: Fd, mode: IoMode) -> Result<(), Errno> {
    plain(Sysno::SetIoMode, [fd.0.into(), mode as u64, 0]).map(drop)
}

/// [`Sysno::ClockNs`].
pub fn clock_ns() -> Result<u64, Errno> {
    plain(Sysno::ClockNs, [0; 3])
}

/// [`Sysno::GetStats`].
pub fn stats() -> Result<Stats, Errno> {
    let mut stats = Stats::default();
    // SAFETY: the kernel writes one `Stats`, which is any bytes.
    unsafe { call(Sysno::GetStats, [(&raw mut stats).addr() as u64, 0, 0]) }?;
    Ok(stats)
}

/// [`Sysno::GetStats`] to memory that may not exist or be read-only.
pub fn stats_wild(address: u64) -> Result<(), Errno> {
    plain(Sysno::GetStats, [address, 0, 0]).map(drop)
}

/// [`Sysno::GetSysInfo`].
pub fn sys_info() -> Result<SysInfo, Errno> {
    let mut info = SysInfo::default();
    // SAFETY: the kernel writes one `SysInfo`, which is any bytes.
    unsafe { call(Sysno::GetSysInfo, [(&raw mut info).addr() as u64, 0, 0]) }?;
    Ok(info)
}

/// [`Sysno::Measure`].
pub fn measure(phase: Phase, number: u64) -> Result<(), Errno> {
    plain(Sysno::Measure, [phase as u64, number, 0]).map(drop)
}

/// [`Sysno::PowerOff`]; returns only when this is not the first process.
pub fn power_off(code: u64) -> Errno {
    plain(Sysno::PowerOff, [code, 0, 0])
        .err()
        .unwrap_or(Errno::Io)
}

/// [`Sysno::Size`] in bytes.
pub fn size(fd: Fd) -> Result<u64, Errno> {
    plain(Sysno::Size, [fd.0.into(), 0, 0])
}

/// [`Sysno::NetAddress`].
pub fn net_address(fd: Fd) -> Result<[u8; 6], Errno> {
    let address = plain(Sysno::NetAddress, [fd.0.into(), 0, 0])?;
    let [a, b, c, d, e, f, ..] = address.to_le_bytes();
    Ok([a, b, c, d, e, f])
}

/// [`Sysno::NetMap`]; the address.
pub fn net_map(fd: Fd) -> Result<usize, Errno> {
    let address = plain(Sysno::NetMap, [fd.0.into(), 0, 0])?;
    usize::try_from(address).map_err(|_| Errno::Fault)
}

/// [`Sysno::NetOffload`].
pub fn net_offload(fd: Fd, offloads: u64) -> Result<(), Errno> {
    plain(Sysno::NetOffload, [fd.0.into(), offloads, 0])?;
    Ok(())
}

/// [`Sysno::NetExchange`]; pieces that have come.
///
/// # Safety
/// What the window held of frames that came before is not used any more, if `most` is not 0.
pub unsafe fn net_exchange(fd: Fd, sent: usize, most: usize) -> Result<usize, Errno> {
    let args = [fd.0.into(), sent as u64, most as u64];
    // SAFETY: as above.
    let received = unsafe { call(Sysno::NetExchange, args) }?;
    usize::try_from(received).map_err(|_| Errno::Io)
}
