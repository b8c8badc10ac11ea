//! [`Transmitter`]: frames from the transmit ring to the network (SDM 3.3, 3.4).
//!
//! Descriptors are taken one by one; their bytes are put together to a packet, which at its last
//! descriptor becomes frames. While those wait for room in the network no descriptor is taken.

use super::offload::{Context, Cut, Frames, Packet, Sum};
use super::ring::{Descriptor, Direction, Ring};
use super::spec::*;
use super::statistics;
use super::{Medium, lock};
use crate::net::MAX_FRAME_BYTES;
use crate::net::backend::{PortError, Transmitted};
use crate::net::frame_port::WIRE_MIN_BYTES;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// Descriptors and frames in one turn; few, as interrupts whose time has come wait for its end.
const TURN: u32 = 16;

/// What a transmitter, or receiver, waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// The driver, which will write to a register.
    Driver,
    /// The network.
    Network,
    /// Nothing: it is to go on after others had their turn.
    Turn,
}

/// Both contexts, as the card keeps them, to be saved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Contexts {
    /// For packets that are sent whole.
    pub whole: Context,
    /// For those that are cut.
    pub segments: Context,
}

#[derive(Default)]
pub(super) struct Transmitter {
    pub(super) contexts: Contexts,
    /// As far as its descriptors have come.
    pub(super) packet: Option<Packet>,
    /// The packet cannot be sent: it has bytes that are not in memory, or too many.
    spoilt: bool,
    /// What is to be sent before anything else.
    frames: Option<Frames>,
}

impl Transmitter {
    /// Forgets a packet that has not gone.
    pub(super) fn stop(&mut self) {
        (self.packet, self.frames, self.spoilt) = (None, None, false);
    }

    /// Sends until something is missing.
    pub(super) fn turn(&mut self, medium: &mut Medium) -> Result<Pause, PortError> {
        for _ in 0..TURN {
            if self.frames.is_some() {
                if !self.send(medium)? {
                    return Ok(Pause::Network);
                }
                continue;
            }
            if !self.take(medium) {
                let sent = !medium.is_up() || medium.port.flush()?;
                return Ok(if sent { Pause::Driver } else { Pause::Network });
            }
        }
        Ok(Pause::Turn)
    }

    /// Sends one frame; false if the network has no room.
    fn send(&mut self, medium: &mut Medium) -> Result<bool, PortError> {
        let Some(frames) = &mut self.frames else {
            return Ok(true);
        };
        if medium.is_up() && medium.port.transmit(frames.frame())? == Transmitted::Full {
            return Ok(false);
        }
        let mut registers = lock(medium.registers);
        registers.statistics.note(&statistics::SENT, frames.frame());
        if !frames.next() {
            if frames.is_cut() {
                registers.statistics.count(statistics::SEGMENTED);
            }
            drop(registers);
            self.frames = None;
        }
        Ok(true)
    }

    /// Takes a descriptor; false if there is none.
    fn take(&mut self, medium: &mut Medium) -> bool {
        let mut registers = lock(medium.registers);
        let ring = registers.ring(Direction::Transmit);
        let ring = ring.filter(|ring| ring.available() > 0);
        let found = ring.and_then(|ring| Some((ring, ring.fetch(medium.memory, 0)?)));
        let Some((ring, descriptor)) = found else {
            registers.transmits = false;
            return false;
        };
        let tag_type = registers.tag_type();
        let shortest = match registers.is_set(TCTL, TCTL_PSP) {
            true => WIRE_MIN_BYTES,
            false => 0,
        };
        drop(registers);
        self.add(medium.memory, descriptor);
        if is_last(descriptor) {
            self.finish(descriptor, tag_type, shortest);
        }
        done(medium, &ring, descriptor);
        true
    }

    /// Adds what a descriptor says.
    fn add(&mut self, memory: &GuestMemoryMmap, descriptor: Descriptor) {
        let [address, rest] = descriptor;
        let is_new = self.packet.is_none();
        match kind(rest) {
            Kind::Context => {
                let context = Context::from_descriptor(descriptor);
                match rest & TX_TSE {
                    0 => self.contexts.whole = context,
                    _ => self.contexts.segments = context,
                }
            }
            Kind::Legacy => self.append(memory, address, rest & 0xffff),
            Kind::Data => {
                self.append(memory, address, rest & 0xf_ffff);
                // The first descriptor says it for all.
                if let Some(packet) = self.packet.as_mut().filter(|_| is_new) {
                    packet.options = (rest >> 40) as u8 & (TX_IXSM | TX_TXSM);
                    packet.cut = match rest & TX_TSE {
                        0 => Cut::Whole,
                        _ => Cut::Segments,
                    };
                }
            }
            Kind::Unknown => {}
        }
    }

    /// Reads a buffer of the packet.
    fn append(&mut self, memory: &GuestMemoryMmap, address: u64, bytes: u64) {
        let packet = self.packet.get_or_insert_default();
        let (start, bytes) = (packet.bytes.len(), bytes as usize);
        if self.spoilt || start + bytes > MAX_FRAME_BYTES {
            self.spoilt = true;
            return;
        }
        packet.bytes.resize(start + bytes, 0);
        let read = memory.read_slice(&mut packet.bytes[start..], GuestAddress(address));
        self.spoilt |= bytes > 0 && read.is_err();
    }

    /// The packet is complete.
    fn finish(&mut self, descriptor: Descriptor, tag_type: Option<u16>, shortest: usize) {
        let [_, rest] = descriptor;
        let Some(mut packet) = self.packet.take() else {
            return;
        };
        if std::mem::take(&mut self.spoilt) {
            return;
        }
        if kind(rest) == Kind::Legacy && rest & TX_IC != 0 {
            packet.sum = Some(Sum {
                start: (rest >> 40) as u8,
                place: (rest >> 16) as u8,
                end: 0,
            });
        }
        if let Some(tag_type) = tag_type.filter(|_| rest & TX_VLE != 0) {
            let ([a, b], [c, d]) = (tag_type.to_be_bytes(), ((rest >> 48) as u16).to_be_bytes());
            packet.tag = Some([a, b, c, d]);
        }
        let context = match packet.cut {
            Cut::Whole => self.contexts.whole,
            Cut::Segments => self.contexts.segments,
        };
        self.frames = Frames::new(packet, context, shortest);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Legacy,
    Context,
    Data,
    /// Of a type that there is not: done without an effect.
    Unknown,
}

fn kind(rest: u64) -> Kind {
    match (rest & TX_DEXT, rest >> TX_TYPE_SHIFT & 0xf) {
        (0, _) => Kind::Legacy,
        (_, 0) => Kind::Context,
        (_, 1) => Kind::Data,
        _ => Kind::Unknown,
    }
}

/// Whether a packet ends there. In a context the same bit means something else.
fn is_last([_, rest]: Descriptor) -> bool {
    matches!(kind(rest), Kind::Legacy | Kind::Data) && rest & TX_EOP != 0
}

/// Gives the descriptor back, and says so if that is wanted.
fn done(medium: &Medium, ring: &Ring, [_, rest]: Descriptor) {
    if rest & TX_RS != 0 {
        ring.write_back(medium.memory, 0, rest | TX_DD);
    }
    let mut registers = lock(medium.registers);
    registers.advance(Direction::Transmit, ring, 1);
    if rest & TX_RS != 0 {
        let (delay, longest) = match rest & TX_IDE {
            0 => (0, 0),
            _ => (registers.get(TIDV), registers.get(TADV)),
        };
        registers.interrupts.note_sent(delay, longest);
    }
    if ring.available() == 1 {
        let now = registers.ring(Direction::Transmit);
        if now.is_some_and(|ring| ring.available() == 0) {
            registers.interrupts.set(CAUSE_TXQE);
        }
    }
}
