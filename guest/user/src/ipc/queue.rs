//! [`Queue`]: messages with priorities.

use crate::file::File;
use crate::sys::{Fd, ipc};
use abi::syscall::Errno;

/// A message queue.
#[derive(Debug)]
pub struct Queue(File);

impl Queue {
    /// One without a name, for so many messages of so many bytes at most.
    pub fn new(messages: u64, message_bytes: u64) -> Result<Self, Errno> {
        Self::named("", messages, message_bytes)
    }

    /// The one of that name, made if there is none.
    pub fn named(name: &str, messages: u64, message_bytes: u64) -> Result<Self, Errno> {
        let fd = ipc::queue_open(name, messages, message_bytes)?;
        Ok(Self(File::owning(fd)))
    }

    /// The one of that name, if there is one.
    pub fn existing(name: &str) -> Result<Self, Errno> {
        Self::named(name, 0, 0)
    }

    /// Its descriptor.
    pub fn fd(&self) -> Fd {
        self.0.fd()
    }

    /// Puts a message in, waiting for room at most so long; priorities go from 0 to 31.
    pub fn send(&self, message: &[u8], priority: u64, timeout_ns: u64) -> Result<(), Errno> {
        ipc::send(self.fd(), message, priority, timeout_ns).map(drop)
    }

    /// Takes the first message out, waiting for one at most so long: its bytes and priority.
    pub fn receive(&self, to: &mut [u8], timeout_ns: u64) -> Result<(usize, u32), Errno> {
        ipc::receive(self.fd(), to, timeout_ns)
    }
}
