//! System calls: confined areas and pools of frames.

use super::{Fd, Pid, call, call_long, plain};
use abi::confine::{Confine, ConfinedCounts, PoolCounts, PoolSetup};
use abi::syscall::{Advice, DiskWrites, Errno, ForkKind, Protection, Sysno, decode};
use core::arch::asm;

/// [`Sysno::Confine`]; `future` are the uses that will be, for a policy that must know them.
///
/// # Errors
/// As the system call, and [`Errno::Inval`] for a future that is too long.
pub fn confine(address: usize, bytes: usize, how: &Confine, future: &[u32]) -> Result<(), Errno> {
    let how = Confine {
        future: future.as_ptr().addr() as u64,
        future_len: future.len() as u64,
        ..*how
    };
    let how = (&raw const how).addr() as u64;
    // SAFETY: the kernel reads one `Confine` and the live slice that it names; the pages stay.
    unsafe { call(Sysno::Confine, [address as u64, bytes as u64, how]) }.map(drop)
}

/// [`Sysno::Confine`] with what need not be a [`Confine`].
pub fn confine_wild(address: u64, bytes: u64, how: u64) -> Result<(), Errno> {
    plain(Sysno::Confine, [address, bytes, how]).map(drop)
}

/// [`Sysno::Confine`]: ends it.
pub fn unconfine(address: usize, bytes: usize) -> Result<(), Errno> {
    plain(Sysno::Confine, [address as u64, bytes as u64, 0]).map(drop)
}

/// [`Sysno::ConfinedCounts`].
pub fn confined_counts(address: usize) -> Result<ConfinedCounts, Errno> {
    let mut counts = ConfinedCounts::default();
    let to = (&raw mut counts).addr() as u64;
    // SAFETY: the kernel writes one `ConfinedCounts`, which is any bytes.
    unsafe { call(Sysno::ConfinedCounts, [address as u64, to, 0]) }?;
    Ok(counts)
}

/// [`Sysno::ConfinedTrace`] from `from` on; how many there were.
pub fn confined_trace(address: usize, from: usize, uses: &mut [u32]) -> Result<usize, Errno> {
    let to = uses.as_mut_ptr().addr() as u64;
    let args = [address as u64, from as u64, to, uses.len() as u64, 0];
    // SAFETY: the kernel writes words inside a live slice.
    let number = unsafe { call_long(Sysno::ConfinedTrace, args) }?;
    let number = usize::try_from(number).ok();
    number.filter(|n| *n <= uses.len()).ok_or(Errno::Io)
}

/// [`Sysno::PoolOpen`]; its number.
pub fn pool_open(setup: &PoolSetup) -> Result<u64, Errno> {
    let setup = (&raw const *setup).addr() as u64;
    // SAFETY: the kernel reads one `PoolSetup`.
    unsafe { call(Sysno::PoolOpen, [setup, 0, 0]) }
}

/// [`Sysno::PoolClose`].
pub fn pool_close(number: u64) -> Result<(), Errno> {
    plain(Sysno::PoolClose, [number, 0, 0]).map(drop)
}

/// [`Sysno::PoolCounts`].
pub fn pool_counts(number: u64) -> Result<PoolCounts, Errno> {
    let mut counts = PoolCounts::default();
    let to = (&raw mut counts).addr() as u64;
    // SAFETY: the kernel writes one `PoolCounts`, which is any bytes.
    unsafe { call(Sysno::PoolCounts, [number, to, 0]) }?;
    Ok(counts)
}

/// [`Sysno::PoolServe`].
pub fn pool_serve(number: u64) -> Result<(), Errno> {
    plain(Sysno::PoolServe, [number, 0, 0]).map(drop)
}

/// [`Sysno::Advise`]; pages made, dropped or written.
///
/// # Safety
/// Nothing in the range is used any more, if the advice drops pages.
pub unsafe fn advise(
    address: usize,
    bytes: usize,
    advice: Advice,
    number: u64,
) -> Result<u64, Errno> {
    let args = [address as u64, bytes as u64, advice as u64, number, 0];
    // SAFETY: as above.
    unsafe { call_long(Sysno::Advise, args) }
}

/// [`Sysno::FillZeroes`].
pub fn fill_zeroes(frames: u64) -> Result<u64, Errno> {
    plain(Sysno::FillZeroes, [frames, 0, 0])
}

/// [`Sysno::MapDisk`]; the address.
pub fn map_disk(
    fd: Fd,
    offset: u64,
    bytes: usize,
    protection: Protection,
    writes: DiskWrites,
) -> Result<usize, Errno> {
    let args = [
        fd.0.into(),
        offset,
        bytes as u64,
        protection as u64,
        writes as u64,
    ];
    // SAFETY: none of them is an address.
    let address = unsafe { call_long(Sysno::MapDisk, args) }?;
    usize::try_from(address).map_err(|_| Errno::Fault)
}

/// [`Sysno::Fork`], with all pages copied at once: `None` in the child.
pub fn fork_copy() -> Result<Option<Pid>, Errno> {
    let pid = plain(Sysno::Fork, [ForkKind::Copy as u64, 0, 0])?;
    Ok((pid != 0).then_some(Pid(pid)))
}

/// [`Sysno::Fork`] of a child that has this program's memory until it runs `path` with `args`, joined
/// by NUL, or exits with `failed` if it cannot.
pub fn spawn(path: &str, args: &str, failed: i32) -> Result<Pid, Errno> {
    let (path_ptr, args_ptr) = (path.as_ptr().addr() as u64, args.as_ptr().addr() as u64);
    let result: i64;
    // SAFETY: the child has the same registers, but for rax, rcx and r11, and nothing of this program
    // is changed by it: it uses no memory until it runs the other program or ends. Both ranges are
    // those of live strings, which the kernel only reads. Registers as in `call`.
    unsafe {
        asm!("syscall",
            "test rax, rax",
            "jnz 2f",
            "mov eax, {exec}",
            "mov rdi, r8",
            "syscall",
            "mov eax, {exit}",
            "mov rdi, r9",
            "syscall",
            "ud2",
            "2:",
            exec = const Sysno::Exec as u64,
            exit = const Sysno::Exit as u64,
            inlateout("rax") Sysno::Fork as u64 => result,
            inlateout("rdi") ForkKind::Lend as u64 => _,
            in("r8") path_ptr, in("rsi") path.len(), in("rdx") args_ptr, in("r10") args.len(),
            in("r9") i64::from(failed),
            lateout("rcx") _, lateout("r11") _,
            options(nostack));
    }
    decode(result).map(Pid)
}
