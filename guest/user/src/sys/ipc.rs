//! System calls of communication between processes, a function each, in the order of [`Sysno`].

use super::{Fd, call, call_long, fd_from, plain};
use abi::syscall::{Errno, Protection, Sysno, Transfers};

/// A call that takes a name first.
fn with_name(number: Sysno, name: &str, rest: [u64; 2]) -> Result<u64, Errno> {
    let (address, len) = (name.as_ptr().addr() as u64, name.len() as u64);
    // SAFETY: the range is that of a live string, which the kernel only reads; none of these calls
    // takes another address.
    unsafe { call_long(number, [address, len, rest[0], rest[1], 0]) }
}

/// [`Sysno::QueueOpen`].
pub fn queue_open(name: &str, messages: u64, message_bytes: u64) -> Result<Fd, Errno> {
    with_name(Sysno::QueueOpen, name, [messages, message_bytes]).and_then(fd_from)
}

/// [`Sysno::Send`]; the number of bytes.
pub fn send(fd: Fd, from: &[u8], priority: u64, timeout_ns: u64) -> Result<usize, Errno> {
    let (address, len) = (from.as_ptr().addr() as u64, from.len() as u64);
    let args = [fd.0.into(), address, len, priority, timeout_ns];
    // SAFETY: the kernel reads bytes of a live slice.
    let sent = unsafe { call_long(Sysno::Send, args) }?;
    within(sent, from.len())
}

/// [`Sysno::Receive`]; the number of bytes, and their priority.
pub fn receive(fd: Fd, to: &mut [u8], timeout_ns: u64) -> Result<(usize, u32), Errno> {
    let mut priority = 0_u32;
    let (address, len) = (to.as_mut_ptr().addr() as u64, to.len() as u64);
    let priority_at = (&raw mut priority).addr() as u64;
    let args = [fd.0.into(), address, len, priority_at, timeout_ns];
    // SAFETY: the kernel writes bytes inside a live slice, and a u32 to `priority`.
    let received = unsafe { call_long(Sysno::Receive, args) }?;
    Ok((within(received, to.len())?, priority))
}

/// [`Sysno::Receive`] to memory that may not exist, without asking for the priority.
pub fn receive_wild(fd: Fd, address: u64, len: u64, timeout_ns: u64) -> Result<u64, Errno> {
    let args = [fd.0.into(), address, len, 0, timeout_ns];
    // SAFETY: where something is at that address, it is the caller's to lose.
    unsafe { call_long(Sysno::Receive, args) }
}

/// [`Sysno::Send`] of memory that may not exist.
pub fn send_wild(fd: Fd, address: u64, len: u64, priority: u64) -> Result<u64, Errno> {
    let args = [fd.0.into(), address, len, priority, 0];
    // SAFETY: the kernel only reads.
    unsafe { call_long(Sysno::Send, args) }
}

fn within(count: u64, len: usize) -> Result<usize, Errno> {
    let count = usize::try_from(count).ok();
    count.filter(|count| *count <= len).ok_or(Errno::Io)
}

/// [`Sysno::SocketPair`].
pub fn socket_pair() -> Result<(Fd, Fd), Errno> {
    let mut ends = [0_u32; 2];
    let address = ends.as_mut_ptr().addr() as u64;
    // SAFETY: the kernel writes two u32 to `ends`.
    unsafe { call(Sysno::SocketPair, [address, 0, 0]) }?;
    Ok((Fd(ends[0]), Fd(ends[1])))
}

/// [`Sysno::SocketListen`].
pub fn socket_listen(name: &str, backlog: u64) -> Result<Fd, Errno> {
    with_name(Sysno::SocketListen, name, [backlog, 0]).and_then(fd_from)
}

/// [`Sysno::SocketConnect`].
pub fn socket_connect(name: &str, timeout_ns: u64) -> Result<Fd, Errno> {
    with_name(Sysno::SocketConnect, name, [timeout_ns, 0]).and_then(fd_from)
}

/// [`Sysno::SocketAccept`].
pub fn socket_accept(fd: Fd, timeout_ns: u64) -> Result<Fd, Errno> {
    plain(Sysno::SocketAccept, [fd.0.into(), timeout_ns, 0]).and_then(fd_from)
}

/// [`Sysno::ShmOpen`].
pub fn shm_open(name: &str, bytes: u64) -> Result<Fd, Errno> {
    with_name(Sysno::ShmOpen, name, [bytes, 0]).and_then(fd_from)
}

/// [`Sysno::ShmMap`]; the address.
pub fn shm_map(fd: Fd, protection: Protection) -> Result<usize, Errno> {
    let address = plain(Sysno::ShmMap, [fd.0.into(), protection as u64, 0])?;
    usize::try_from(address).map_err(|_| Errno::Fault)
}

/// [`Sysno::GetTransfers`].
pub fn transfers() -> Result<Transfers, Errno> {
    let mut transfers = Transfers::default();
    let address = (&raw mut transfers).addr() as u64;
    // SAFETY: the kernel writes one `Transfers`, which is any bytes.
    unsafe { call(Sysno::GetTransfers, [address, 0, 0]) }?;
    Ok(transfers)
}
