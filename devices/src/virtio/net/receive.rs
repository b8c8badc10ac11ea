//! [`Receiver`]: frames from a port into the receive queue (virtio 1.3 5.1.6.3, 5.1.6.4).
//!
//! A frame goes straight into the chains that are held for it. What does not fit there comes to
//! `overflow`, and from there into further chains of a driver that takes frames in pieces
//! (`MRG_RXBUF`); it waits for them if need be. Chains of a frame that the driver does not want
//! are used for the next.

use super::header::Header;
use super::mode::NetState;
use super::spec::HEADER_BYTES;
use crate::net::backend::{Port, PortError, Received, Scattered};
use crate::net::mac::MacAddress;
use crate::net::{MAX_FRAME_BYTES, MIN_FRAME_BYTES};
use crate::virtio::ring::{Buffer, Chain, MAX_BUFFERS, Ring, read_front, total_bytes};
use std::collections::VecDeque;
use std::os::fd::RawFd;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// Frames taken before the worker looks at its other events.
const TURN_FRAMES: usize = 128;
/// No chain is added to the space for a frame when it has so many buffers: even with the longest
/// chain they are fewer than a system call takes.
const SPACE_BUFFERS: usize = 256;
/// A header and the longest frame.
const LONGEST: usize = HEADER_BYTES + MAX_FRAME_BYTES;
/// A header and a frame of the usual Ethernet.
const USUAL: usize = HEADER_BYTES + 1500 + MIN_FRAME_BYTES + 4;

/// What the receiver waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// The port has no frame.
    NoFrame,
    /// The driver has to make buffers available; it will ring.
    NoBuffers,
    /// There may be more at once.
    Turn,
}

pub(super) struct Receiver {
    ring: Ring,
    pieces: Pieces,
    /// Chains for the next frames, in their order.
    held: VecDeque<Chain>,
    held_bytes: usize,
    overflow: Box<[u8]>,
    unfinished: Option<Unfinished>,
    /// A chain of no use, to be given back after those held: a saved queue goes on from what was
    /// given back, so that it must be in order.
    useless: Option<u16>,
    /// Bytes that are held for a frame, from those that have come.
    expected: Expected,
    /// What the port writes to; empty between calls.
    space: Vec<Buffer>,
}

/// Whether a frame may be spread over several chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pieces {
    One,
    Several,
}

/// A frame in the held chains, as far as they have room for it.
struct Unfinished {
    header: Header,
    /// Of header and frame.
    bytes: usize,
    /// Those of them that there was room for when it came; the rest is in `overflow`.
    direct: usize,
}

impl Receiver {
    pub(super) fn new(ring: Ring, pieces: Pieces) -> Self {
        Self {
            ring,
            pieces,
            held: VecDeque::new(),
            held_bytes: 0,
            overflow: vec![0; MAX_FRAME_BYTES].into(),
            unfinished: None,
            useless: None,
            expected: Expected::default(),
            space: Vec::new(),
        }
    }

    /// Readable when the driver has rung.
    pub(super) fn doorbell_fd(&self) -> RawFd {
        self.ring.doorbell_fd()
    }

    /// The driver has rung.
    pub(super) fn begin(&mut self) {
        self.ring.begin();
    }

    /// Takes frames from the port until something is missing.
    pub(super) fn serve(
        &mut self,
        port: &mut dyn Port,
        state: &NetState,
    ) -> Result<Pause, PortError> {
        let pause = self.serve_turn(port, state);
        self.ring.signal();
        pause
    }

    fn serve_turn(&mut self, port: &mut dyn Port, state: &NetState) -> Result<Pause, PortError> {
        for _ in 0..TURN_FRAMES {
            match self.unfinished.take() {
                Some(frame) => self.finish(frame),
                None => self.hold(self.wanted_bytes(), SPACE_BUFFERS),
            }
            if self.held.is_empty() || self.unfinished.is_some() {
                if !self.ring.end() {
                    return Ok(Pause::NoBuffers);
                }
                self.ring.begin();
            } else if !self.receive(port, state)? {
                return Ok(Pause::NoFrame);
            }
        }
        Ok(Pause::Turn)
    }

    /// Room that is held for a frame, so that few take `overflow`.
    fn wanted_bytes(&self) -> usize {
        match self.pieces {
            Pieces::One => 1,
            Pieces::Several => self.expected.bytes(),
        }
    }

    /// Takes chains from the ring until so much is held, or there are no more. Those of no use
    /// are given back.
    fn hold(&mut self, bytes: usize, most_buffers: usize) {
        if self.held.is_empty()
            && let Some(head) = self.useless.take()
        {
            self.ring.push(head, 0);
        }
        let mut buffers = self.held_buffers().count();
        for _ in 0..self.ring.size() {
            if self.held_bytes >= bytes || buffers >= most_buffers || self.useless.is_some() {
                break;
            }
            let Some(chain) = self.ring.pop() else { break };
            let chain_bytes = writable_bytes(&chain);
            if chain.defect.is_none() && chain_bytes >= HEADER_BYTES {
                buffers += chain.writable.len();
                self.held_bytes += chain_bytes;
                self.held.push_back(chain);
            } else {
                if chain.defect.is_none() {
                    self.ring.count_defect();
                }
                if self.held.is_empty() {
                    self.ring.push(chain.head, 0);
                } else {
                    self.useless = Some(chain.head);
                }
            }
        }
    }

    fn held_buffers(&self) -> impl Iterator<Item = Buffer> {
        let chains = self.held.iter();
        chains.flat_map(|chain| chain.writable.iter().copied())
    }

    /// Takes a frame into the held chains; false if the port has none.
    fn receive(&mut self, port: &mut dyn Port, state: &NetState) -> Result<bool, PortError> {
        let mut space = std::mem::take(&mut self.space);
        space.clear();
        space.extend(after(self.held_buffers(), HEADER_BYTES).take(SPACE_BUFFERS + MAX_BUFFERS));
        let target = Scattered {
            memory: self.ring.memory(),
            buffers: &space,
        };
        let received = port.receive(target, &mut self.overflow);
        if let Ok(Received::Frame { header, bytes }) = received
            && state.wants(self.destination(&space))
            && let Some(header) = header.for_driver(state.offloads())
        {
            self.expected.note(HEADER_BYTES + bytes);
            let (bytes, direct) = (HEADER_BYTES + bytes, HEADER_BYTES + sum(&space));
            let frame = Unfinished {
                header,
                bytes,
                direct,
            };
            if bytes <= direct {
                self.deliver(&frame);
            } else if self.pieces == Pieces::Several {
                self.unfinished = Some(frame);
            }
        }
        self.space = space;
        Ok(received? != Received::Nothing)
    }

    /// Address that the frame in `space` and `overflow` is for.
    fn destination(&self, space: &[Buffer]) -> MacAddress {
        let mut address = [0; 6];
        let direct = sum(space).min(address.len());
        let (front, back) = address.split_at_mut(direct);
        // In memory, as all that is held.
        read_front(self.ring.memory(), space, front);
        back.copy_from_slice(&self.overflow[..back.len()]);
        MacAddress(address)
    }

    /// Goes on with a frame as far as there are chains. A frame that the whole ring has no room
    /// for is dropped.
    fn finish(&mut self, frame: Unfinished) {
        self.hold(frame.bytes, usize::MAX);
        if self.held_bytes >= frame.bytes {
            let rest = &self.overflow[..frame.bytes - frame.direct];
            write_all(
                self.ring.memory(),
                after(self.held_buffers(), frame.direct),
                rest,
            );
            self.deliver(&frame);
        } else if self.useless.is_none()
            && self.held_buffers().count() < usize::from(self.ring.size())
        {
            self.unfinished = Some(frame);
        }
    }

    /// Gives the driver the frame that is in the held chains.
    fn deliver(&mut self, frame: &Unfinished) {
        let mut used: Vec<(u16, u32)> = Vec::new();
        let mut first: Option<Chain> = None;
        let mut left = frame.bytes;
        while left > 0
            && let Some(chain) = self.held.pop_front()
        {
            let chain_bytes = writable_bytes(&chain);
            let part = left.min(chain_bytes);
            self.held_bytes -= chain_bytes;
            left -= part;
            used.push((chain.head, u32::try_from(part).unwrap_or(u32::MAX)));
            first.get_or_insert(chain);
        }
        // No more than the ring has entries.
        let num_buffers = u16::try_from(used.len()).unwrap_or(u16::MAX);
        let header = frame.header.to_bytes(num_buffers);
        let buffers = first.into_iter().flat_map(|chain| chain.writable);
        write_all(self.ring.memory(), buffers, &header);
        self.ring.push_together(&used);
    }
}

/// How long frames may be expected to be: as long as any can be, for a while after one that is
/// longer than usual.
#[derive(Default)]
struct Expected {
    /// Frames until none longer than usual is expected.
    long_frames: u32,
}

impl Expected {
    fn bytes(&self) -> usize {
        if self.long_frames > 0 { LONGEST } else { USUAL }
    }

    fn note(&mut self, bytes: usize) {
        self.long_frames = if bytes > USUAL {
            64
        } else {
            self.long_frames.saturating_sub(1)
        };
    }
}

/// Bytes in a chain for the device to write; limited by [`crate::virtio::ring::MAX_CHAIN_BYTES`]
/// in a chain without a defect.
fn writable_bytes(chain: &Chain) -> usize {
    sum(&chain.writable)
}

fn sum(buffers: &[Buffer]) -> usize {
    usize::try_from(total_bytes(buffers)).unwrap_or(usize::MAX)
}

/// The buffers without their first `skip` bytes.
fn after(buffers: impl Iterator<Item = Buffer>, skip: usize) -> impl Iterator<Item = Buffer> {
    let mut skip = u32::try_from(skip).unwrap_or(u32::MAX);
    buffers.filter_map(move |Buffer { gpa, len }| {
        let skipped = skip.min(len);
        skip -= skipped;
        let gpa = GuestAddress(gpa.0.saturating_add(skipped.into()));
        let len = len - skipped;
        (len > 0).then_some(Buffer { gpa, len })
    })
}

/// Writes to the start of the buffers, which are in memory.
fn write_all(memory: &GuestMemoryMmap, buffers: impl Iterator<Item = Buffer>, data: &[u8]) {
    let mut left = data;
    for buffer in buffers {
        let (part, rest) = left.split_at(left.len().min(buffer.len as usize));
        if let Err(error) = memory.write_slice(part, buffer.gpa) {
            log::debug!("a received frame: {error}");
        }
        left = rest;
        if left.is_empty() {
            return;
        }
    }
}
