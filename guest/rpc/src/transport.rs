//! What carries messages between a client and a server.

use alloc::vec::Vec;

/// Why a transport does not do what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not in time.
    TimedOut,
    /// The other end has gone.
    Closed,
}

/// One end of what carries messages, each whole or not at all; they may be lost, or come twice or late.
pub trait Transport {
    /// Sends a message.
    fn send(&mut self, message: &[u8]) -> Result<(), Fault>;

    /// Waits for a message until the time `deadline_ns`, and puts it in place of what is in `message`.
    fn receive(&mut self, message: &mut Vec<u8>, deadline_ns: u64) -> Result<(), Fault>;

    /// The time, by which deadlines are meant.
    fn now_ns(&self) -> u64;
}
