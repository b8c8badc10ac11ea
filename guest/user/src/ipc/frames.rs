//! [`Frames`]: a transport of remote procedure calls between two machines that are joined by their
//! network cards: each message in an Ethernet frame, behind its length.
//!
//! A read of a card has no time-out, so a thread of its own waits for frames and puts their messages
//! into a queue, which has one.

use super::Queue;
use crate::net::{Card, Inbox, Outbox};
use crate::thread;
use crate::time::now_ns;
use abi::peer::ETHERTYPE;
use abi::syscall::{Errno, IoMode};
use alloc::sync::Arc;
use alloc::vec::Vec;
use rpc::{Fault, Transport};

const CARD: &str = "/dev/eth-virtio";
/// Both ends of the wire are known: whoever is there is meant.
const BROADCAST: [u8; 6] = [0xff; 6];
/// Addresses and type.
const ETHERNET_BYTES: usize = 14;
/// Behind them: the length of the message, the lowest byte first.
const LENGTH_BYTES: usize = 2;
/// Most bytes of a message: what is left of a frame.
const MOST_BYTES: usize = 1514 - ETHERNET_BYTES - LENGTH_BYTES;
/// Least bytes of a frame.
const LEAST_FRAME: usize = 60;
/// Messages that wait; of more, the newest are lost.
const MESSAGES: u64 = 64;

/// A card, and what has come by it.
pub struct Frames {
    card: Card,
    outbox: Outbox,
    messages: Arc<Queue>,
}

impl Frames {
    /// Opens the card, and waits for frames from then on.
    pub fn open() -> Result<Self, Errno> {
        let messages = Arc::new(Queue::new(MESSAGES, MOST_BYTES as u64)?);
        let theirs = messages.clone();
        let incoming = Card::open(CARD, IoMode::Interrupt)?;
        thread::spawn(move || take_in(&incoming, &theirs))?;
        Ok(Self {
            card: Card::open(CARD, IoMode::Interrupt)?,
            outbox: Outbox::new(),
            messages,
        })
    }
}

/// Takes frames in until the card breaks.
fn take_in(card: &Card, messages: &Queue) {
    let mut inbox = Inbox::new(MESSAGES as usize);
    loop {
        match card.receive(&mut inbox) {
            Ok(()) => {}
            // Nothing has come for long.
            Err(Errno::TimedOut) => continue,
            Err(_) => return,
        }
        for message in inbox.frames().filter_map(message) {
            // Without room it is lost, as others are on a network.
            let _ = messages.send(message, 0, 0);
        }
    }
}

/// The message in a frame, if it is one with a message.
fn message(frame: &[u8]) -> Option<&[u8]> {
    let (header, behind) = frame.split_at_checked(ETHERNET_BYTES)?;
    if header[12..] != ETHERTYPE.to_be_bytes() {
        return None;
    }
    let (length, rest) = behind.split_first_chunk()?;
    rest.get(..usize::from(u16::from_le_bytes(*length)))
}

impl Transport for Frames {
    fn send(&mut self, message: &[u8]) -> Result<(), Fault> {
        let length = u16::try_from(message.len()).ok();
        let length = length.filter(|length| usize::from(*length) <= MOST_BYTES);
        let length = length.ok_or(Fault::Closed)?;
        let start = ETHERNET_BYTES + LENGTH_BYTES;
        let bytes = (start + message.len()).max(LEAST_FRAME);
        let frame = self.outbox.add(bytes).ok_or(Fault::Closed)?;
        frame[..6].copy_from_slice(&BROADCAST);
        frame[6..12].copy_from_slice(&self.card.address());
        frame[12..ETHERNET_BYTES].copy_from_slice(&ETHERTYPE.to_be_bytes());
        frame[ETHERNET_BYTES..start].copy_from_slice(&length.to_le_bytes());
        frame[start..start + message.len()].copy_from_slice(message);
        self.card.send(&mut self.outbox).map_err(|_| Fault::Closed)
    }

    fn receive(&mut self, message: &mut Vec<u8>, deadline_ns: u64) -> Result<(), Fault> {
        message.resize(MOST_BYTES, 0);
        let left = deadline_ns.saturating_sub(now_ns());
        let received = self.messages.receive(message, left);
        let (bytes, _) = received.map_err(|error| match error {
            Errno::TimedOut => Fault::TimedOut,
            _ => Fault::Closed,
        })?;
        message.truncate(bytes);
        Ok(())
    }

    fn now_ns(&self) -> u64 {
        now_ns()
    }
}
