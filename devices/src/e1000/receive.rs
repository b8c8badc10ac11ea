//! [`Receiver`]: frames from the network to the receive ring (SDM 3.2).
//!
//! A frame is taken from the network only while the driver has a descriptor for it, and waits here
//! until all that it needs are there: none is lost for want of them.

use super::checksum::{frame_check_sequence, sum};
use super::filter::{self, Verdict};
use super::inspect::inspect;
use super::registers::Registers;
use super::ring::{Direction, Ring};
use super::spec::*;
use super::statistics;
use super::transmit::Pause;
use super::{Medium, lock};
use crate::net::MAX_FRAME_BYTES;
use crate::net::backend::{PortError, Received};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// Frames in one turn.
const TURN: u32 = 16;
/// Size of buffers by RCTL's BSIZE, and with BSEX, where the first is reserved.
const BUFFER_BYTES: [usize; 4] = [2048, 1024, 512, 256];
const LARGE_BUFFER_BYTES: [usize; 4] = [2048, 16384, 8192, 4096];

pub(super) struct Receiver {
    /// Room for the longest frame and its check sequence.
    frame: Box<[u8]>,
    /// Bytes of a frame there that the driver is to get.
    held: Option<usize>,
}

impl Receiver {
    pub(super) fn new() -> Self {
        Self {
            frame: vec![0; MAX_FRAME_BYTES + FCS_BYTES].into(),
            held: None,
        }
    }

    /// Forgets a frame that waits.
    pub(super) fn stop(&mut self) {
        self.held = None;
    }

    /// Receives until something is missing.
    pub(super) fn turn(&mut self, medium: &mut Medium) -> Result<Pause, PortError> {
        for _ in 0..TURN {
            let Some(ring) = room(&mut lock(medium.registers), medium.memory) else {
                return Ok(Pause::Driver);
            };
            let bytes = match self.held {
                Some(bytes) => bytes,
                None => match medium.port.receive(&mut self.frame[..MAX_FRAME_BYTES])? {
                    Received::Nothing => return Ok(Pause::Network),
                    Received::Frame { bytes, .. } if self.judge(medium, bytes) => bytes,
                    _ => continue,
                },
            };
            if !self.deliver(medium, &ring, bytes) {
                return Ok(Pause::Driver);
            }
        }
        Ok(Pause::Turn)
    }

    /// Whether the driver wants the frame.
    fn judge(&self, medium: &Medium, bytes: usize) -> bool {
        let mut registers = lock(medium.registers);
        let verdict = registers.filter().judge(&self.frame[..bytes]);
        if verdict == Verdict::Oversize {
            registers.statistics.count(statistics::OVERSIZE);
        }
        verdict == Verdict::Receive
    }

    /// Gives a frame to the driver; false if it waits for more descriptors.
    fn deliver(&mut self, medium: &Medium, ring: &Ring, bytes: usize) -> bool {
        let settings = Settings::of(&lock(medium.registers));
        let frame = &mut self.frame[..bytes + FCS_BYTES];
        let tag = settings.tag_type.and_then(|kind| filter::tag(frame, kind));
        let verdict = inspect(&frame[..bytes], settings.checksums);
        let check = frame_check_sequence(&frame[..bytes]);
        let mut end = bytes;
        if !settings.strips_check {
            frame[end..].copy_from_slice(&check.to_le_bytes());
            end += FCS_BYTES;
        }
        let skipped = if tag.is_some() { TAG_BYTES } else { 0 };
        let needed = (end - skipped).div_ceil(settings.buffer_bytes) as u32;
        if needed > ring.available() {
            return self.wait(medium, ring, bytes, needed);
        }
        self.held = None;
        let first = usize::from(settings.sum_start).min(end);
        let mut status = verdict.status;
        let packet_sum: u64 = sum(&frame[first..end]).into();
        if tag.is_some() {
            status |= RX_VP;
            // The tag's place is taken by what comes before it.
            frame.copy_within(..TAG_AT, TAG_BYTES);
        }
        let pieces = frame[skipped..end].chunks(settings.buffer_bytes);
        for (at, piece) in (0..needed).zip(pieces) {
            let Some([address, _]) = ring.fetch(medium.memory, at) else {
                // The ring goes beyond the end of memory.
                continue;
            };
            if let Err(error) = medium.memory.write_slice(piece, GuestAddress(address)) {
                log::debug!("e1000: a received frame: {error}");
            }
            let last = if at + 1 == needed { RX_EOP } else { 0 };
            let half = piece.len() as u64
                | packet_sum << 16
                | u64::from(status | last | RX_DD) << 32
                | u64::from(verdict.errors) << 40
                | u64::from(tag.unwrap_or(0)) << 48;
            ring.write_back(medium.memory, at, half);
        }
        let mut registers = lock(medium.registers);
        registers.advance(Direction::Receive, ring, needed);
        // The addresses are in front, whether or not a tag was taken out.
        registers
            .statistics
            .note(&statistics::RECEIVED, &self.frame[skipped..bytes]);
        note(&mut registers, ring, needed, bytes);
        true
    }

    /// The frame needs more descriptors than there are; or than there can be, and is lost.
    fn wait(&mut self, medium: &Medium, ring: &Ring, bytes: usize, needed: u32) -> bool {
        let mut registers = lock(medium.registers);
        if needed >= ring.count {
            self.held = None;
            registers.statistics.count(statistics::OVERSIZE);
            return true;
        }
        if self.held.is_none() {
            registers.statistics.count(statistics::NO_BUFFERS);
        }
        self.held = Some(bytes);
        // The driver may have written its tail meanwhile.
        let now = registers.ring(Direction::Receive);
        registers.receives = now.is_some_and(|now| now.available() > ring.available());
        registers.receives
    }
}

/// The receive ring, if it has descriptors and they are in memory.
fn room(registers: &mut Registers, memory: &GuestMemoryMmap) -> Option<Ring> {
    let ring = registers.ring(Direction::Receive);
    let ring = ring.filter(|ring| ring.available() > 0 && ring.fetch(memory, 0).is_some());
    registers.receives = ring.is_some();
    ring
}

/// Interrupts for a received frame.
fn note(registers: &mut Registers, ring: &Ring, used: u32, bytes: usize) {
    let mut causes = 0;
    let share = registers.get(RCTL) >> RCTL_RDMTS_SHIFT & 3;
    if ring.available() - used <= ring.count >> (share + 1) {
        causes |= CAUSE_RXDMT0;
    }
    let small = registers.get(RSRPD) as usize;
    if bytes + FCS_BYTES <= small {
        causes |= CAUSE_SRPD;
    }
    let (delay, longest) = (registers.get(RDTR), registers.get(RADV));
    registers.interrupts.note_received(delay, longest, causes);
}

/// Registers that a frame is delivered by.
struct Settings {
    buffer_bytes: usize,
    strips_check: bool,
    tag_type: Option<u16>,
    checksums: u32,
    /// Where the descriptor's sum begins.
    sum_start: u8,
}

impl Settings {
    fn of(registers: &Registers) -> Self {
        let control = registers.get(RCTL);
        let sizes = match control & RCTL_BSEX {
            0 => BUFFER_BYTES,
            _ => LARGE_BUFFER_BYTES,
        };
        let checksums = registers.get(RXCSUM);
        Self {
            buffer_bytes: sizes[(control >> RCTL_BSIZE_SHIFT & 3) as usize],
            strips_check: control & RCTL_SECRC != 0,
            tag_type: registers.tag_type(),
            checksums,
            sum_start: checksums as u8,
        }
    }
}
