//! Transports of remote procedure calls between processes: message queues and stream sockets.

use super::{Queue, Socket};
use crate::time::now_ns;
use abi::syscall::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;
use rpc::message::MOST_BYTES;
use rpc::{Fault, Transport};

/// Messages that wait in a queue at most.
const MESSAGES: u64 = 16;
/// How long a message may wait for room before it is taken for lost.
const ROOM_NS: u64 = 1_000_000_000;

fn fault(error: Errno) -> Fault {
    match error {
        Errno::TimedOut => Fault::TimedOut,
        _ => Fault::Closed,
    }
}

fn left(deadline_ns: u64) -> u64 {
    deadline_ns.saturating_sub(now_ns())
}

/// A queue there and one back: who has gone is not noticed, but that nothing comes.
#[derive(Clone)]
pub struct Queues {
    from: Arc<Queue>,
    to: Arc<Queue>,
    message_bytes: usize,
}

impl Queues {
    /// Both ends, for messages of at most so many bytes.
    pub fn pair(message_bytes: usize) -> Result<(Self, Self), Errno> {
        let queue = || Queue::new(MESSAGES, message_bytes as u64).map(Arc::new);
        let (there, back) = (queue()?, queue()?);
        let first = Self {
            from: back.clone(),
            to: there.clone(),
            message_bytes,
        };
        let second = Self {
            from: there,
            to: back,
            message_bytes,
        };
        Ok((first, second))
    }
}

impl Transport for Queues {
    fn send(&mut self, message: &[u8]) -> Result<(), Fault> {
        self.to.send(message, 0, ROOM_NS).map_err(fault)
    }

    fn receive(&mut self, message: &mut Vec<u8>, deadline_ns: u64) -> Result<(), Fault> {
        message.resize(self.message_bytes, 0);
        let received = self.from.receive(message, left(deadline_ns));
        let (bytes, _) = received.map_err(fault)?;
        message.truncate(bytes);
        Ok(())
    }

    fn now_ns(&self) -> u64 {
        now_ns()
    }
}

/// A stream, in which each message stands behind its length, 32 bits with the lowest byte first.
pub struct Stream {
    socket: Socket,
    /// What has come of the message under way.
    come: Vec<u8>,
}

const LENGTH_BYTES: usize = 4;

impl Stream {
    /// Over that socket, from the beginning of a message.
    pub fn new(socket: Socket) -> Self {
        Self {
            socket,
            come: Vec::new(),
        }
    }

    /// Bytes that are missing of the message under way; [`Fault::Closed`] for a length that no
    /// message has, as nothing that follows can be understood.
    fn missing(&self) -> Result<usize, Fault> {
        let Some((length, rest)) = self.come.split_first_chunk() else {
            return Ok(LENGTH_BYTES - self.come.len());
        };
        let length = u32::from_le_bytes(*length) as usize;
        if length > MOST_BYTES {
            return Err(Fault::Closed);
        }
        Ok(length - rest.len())
    }
}

impl Transport for Stream {
    fn send(&mut self, message: &[u8]) -> Result<(), Fault> {
        let length = u32::try_from(message.len()).map_err(|_| Fault::Closed)?;
        let mut bytes = Vec::from(length.to_le_bytes());
        bytes.extend_from_slice(message);
        let sent = self.socket.send_all(&bytes, ROOM_NS);
        // After a part of one no other can be understood.
        sent.map_err(|_| Fault::Closed)
    }

    fn receive(&mut self, message: &mut Vec<u8>, deadline_ns: u64) -> Result<(), Fault> {
        loop {
            let missing = self.missing()?;
            if missing == 0 && self.come.len() >= LENGTH_BYTES {
                message.clear();
                message.extend_from_slice(&self.come[LENGTH_BYTES..]);
                self.come.clear();
                return Ok(());
            }
            let start = self.come.len();
            self.come.resize(start + missing, 0);
            let received = self
                .socket
                .receive(&mut self.come[start..], left(deadline_ns));
            let count = *received.as_ref().unwrap_or(&0);
            self.come.truncate(start + count);
            if received.map_err(fault)? == 0 {
                return Err(Fault::Closed);
            }
        }
    }

    fn now_ns(&self) -> u64 {
        now_ns()
    }
}
