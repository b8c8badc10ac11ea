//! [`Socket`] and [`Listener`]: streams of bytes both ways.

use crate::file::File;
use crate::sys::{self, Fd, ipc};
use abi::syscall::Errno;

/// An end of a stream both ways.
#[derive(Debug)]
pub struct Socket(File);

impl Socket {
    /// Two that are each other's ends.
    pub fn pair() -> Result<(Self, Self), Errno> {
        let (first, second) = ipc::socket_pair()?;
        Ok((Self(File::owning(first)), Self(File::owning(second))))
    }

    /// Connects to the listener of that name.
    pub fn connect(name: &str, timeout_ns: u64) -> Result<Self, Errno> {
        ipc::socket_connect(name, timeout_ns).map(|fd| Self(File::owning(fd)))
    }

    /// Its descriptor.
    pub fn fd(&self) -> Fd {
        self.0.fd()
    }

    /// It as a file, which has no time-outs.
    pub fn file(&self) -> &File {
        &self.0
    }

    /// Writes all of it, waiting at most so long; [`Errno::TimedOut`] if a part is left.
    pub fn send_all(&self, from: &[u8], timeout_ns: u64) -> Result<(), Errno> {
        match ipc::send(self.fd(), from, 0, timeout_ns)? {
            sent if sent == from.len() => Ok(()),
            _ => Err(Errno::TimedOut),
        }
    }

    /// Reads up to `to.len()` bytes, waiting for one at most so long; 0 when the other end is closed.
    pub fn receive(&self, to: &mut [u8], timeout_ns: u64) -> Result<usize, Errno> {
        ipc::receive(self.fd(), to, timeout_ns).map(|(bytes, _)| bytes)
    }
}

/// Where sockets connect to.
#[derive(Debug)]
pub struct Listener(File);

impl Listener {
    /// One of that name; so many may wait to be accepted.
    pub fn new(name: &str, backlog: u64) -> Result<Self, Errno> {
        ipc::socket_listen(name, backlog).map(|fd| Self(File::owning(fd)))
    }

    /// The other end of who has connected first, waiting for one at most so long.
    pub fn accept(&self, timeout_ns: u64) -> Result<Socket, Errno> {
        let fd: sys::Fd = self.0.fd();
        ipc::socket_accept(fd, timeout_ns).map(|fd| Socket(File::owning(fd)))
    }
}
