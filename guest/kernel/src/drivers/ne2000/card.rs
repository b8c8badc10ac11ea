//! [`Card`]: frames from one's buffers into the card's memory, and out of it.
//!
//! While a frame is on the wire the next one is written to the other of two places.

use super::chip::Chip;
use super::registers::{command, interrupt, page0};
use super::ring::{HEADER_BYTES, MAX_BYTES, Ring, TRANSMIT};
use super::words;
use crate::arch::port::{rep_insw, rep_outsw};
use crate::drivers::Segment;
use crate::drivers::net::card::Broken;

/// Causes by which a transmission ends.
pub(super) const SENT: u8 = interrupt::TRANSMITTED | interrupt::TRANSMIT_ERROR;
/// Causes by which there is something to look for in the ring.
pub(super) const ARRIVED: u8 =
    interrupt::RECEIVED | interrupt::RECEIVE_ERROR | interrupt::OVERWRITE;

/// Shortest frame on the wire, without its check sequence; the card fills none up.
const MIN_BYTES: usize = 60;
const FILL: [u8; MIN_BYTES] = [0; MIN_BYTES];

/// A frame in the card's memory, to be sent.
#[derive(Clone, Copy)]
struct Loaded {
    page: u8,
    bytes: u16,
}

/// What the driver knows of the card.
pub(super) struct Card {
    ring: Ring,
    /// A frame is on its way to the wire.
    is_sending: bool,
    /// The frame to go after that one.
    loaded: Option<Loaded>,
    /// Which place the next frame is written to.
    place: usize,
}

impl Card {
    /// One that was just started.
    pub(super) const fn new() -> Self {
        Self {
            ring: Ring::new(),
            is_sending: false,
            loaded: None,
            place: 0,
        }
    }

    /// Hands the card a frame of so many bytes; `None` if it has no room yet.
    pub(super) fn send(
        &mut self,
        chip: &Chip,
        frame: &[Segment],
        bytes: usize,
    ) -> Result<Option<()>, Broken> {
        if self.loaded.is_some() {
            self.go_on(chip, chip.status()?);
        }
        if self.loaded.is_some() {
            return Ok(None);
        }
        let page = TRANSMIT[self.place];
        let on_wire = bytes.max(MIN_BYTES);
        let to_write = on_wire.next_multiple_of(2);
        chip.acknowledge(interrupt::REMOTE_DONE);
        // No frame is longer than a few pages.
        chip.begin_remote(command::REMOTE_WRITE, u16::from(page) << 8, to_write as u16);
        words::write(chip.data(), frame);
        let fill = to_write - bytes.next_multiple_of(2);
        if fill > 0 {
            rep_outsw(chip.data(), &FILL[..fill]);
        }
        let status = chip.finish_remote_write()?;
        self.place = (self.place + 1) % TRANSMIT.len();
        self.loaded = Some(Loaded {
            page,
            bytes: on_wire as u16,
        });
        self.go_on(chip, status);
        Ok(Some(()))
    }

    /// `None` while a frame is on its way.
    pub(super) fn finish(&mut self, chip: &Chip) -> Result<Option<()>, Broken> {
        if self.is_sending {
            self.go_on(chip, chip.status()?);
        }
        Ok((!self.is_sending).then_some(()))
    }

    /// With that interrupt status: a frame may have gone, and the next one can go.
    fn go_on(&mut self, chip: &Chip, status: u8) {
        if status & SENT != 0 {
            self.is_sending = false;
        }
        if !self.is_sending
            && let Some(frame) = self.loaded.take()
        {
            chip.transmit(frame.page, frame.bytes);
            self.is_sending = true;
        }
    }

    /// Takes the next frame out of the ring, as much of it as there is room for; its length.
    pub(super) fn receive(&mut self, chip: &Chip, to: &[Segment]) -> Result<Option<usize>, Broken> {
        let mut overrun = None;
        if self.ring.is_empty() {
            let status = chip.status()?;
            if status & ARRIVED == 0 {
                return Ok(None);
            }
            if status & interrupt::OVERWRITE != 0 {
                overrun = Some(chip.begin_overrun());
            }
            // First this, so that what comes later than the look at the ring is told of again.
            chip.acknowledge(interrupt::RECEIVED | interrupt::RECEIVE_ERROR);
            self.ring.extend(chip.current_page())?;
            if self.ring.is_empty() {
                // A ring without a packet has room for one.
                return overrun.map_or(Ok(None), |_| Err(Broken));
            }
        }
        let start = u16::from(self.ring.next()) << 8;
        // At the ring's end this goes on at its beginning.
        chip.begin_remote(command::REMOTE_READ, start, MAX_BYTES as u16);
        let mut header = [0; HEADER_BYTES];
        rep_insw(chip.data(), &mut header);
        let bytes = self.ring.take(header)?;
        words::read(chip.data(), to, bytes);
        chip.command(command::REMOTE_ABORT);
        chip.write(page0::BOUNDARY, self.ring.boundary());
        if let Some(overrun) = overrun {
            chip.end_overrun(&overrun);
        }
        Ok(Some(bytes))
    }
}
