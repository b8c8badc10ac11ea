//! e1000: Intel's 82540EM on PCI (PCI/PCI-X Family of Gigabit Ethernet Controllers Software
//! Developer's Manual, SDM), which moves frames itself, as two rings of descriptors say.
//!
//! ```text
//!  E1000: waits, gives up --> Transmit: frames where they are -----+--> Descriptors
//!     |   ^ interrupt         Receive: buffers, one copy from them +
//!     v   |
//!   Chip: registers
//! ```
//! Small frames are copied to a place of the kernel's, as waiting until they have gone costs more. A
//! doorbell tells the card of all frames of a batch, or of as many as there is room for, and its
//! interrupt comes with the last of them. What somebody has slept for once goes on interrupting, at
//! the rate of [`registers::INTERVAL`] at most: one access a batch, where forbidding it and allowing
//! it again would be three.

mod chip;
mod descriptors;
mod receive;
mod registers;
mod transmit;

use super::lazy::Lazy;
use super::net::card::{SMALL_BYTES, frame_bytes, gather, patience};
use super::net::{FrameDevice, NetDevice};
use super::{Segment, pci, poll_until};
use crate::irq;
use crate::mm::DmaBuffer;
use crate::sched::{self, WaitQueue};
use crate::sync::Mutex;
use abi::syscall::{Errno, IoMode};
use chip::Chip;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use descriptors::DESCRIPTOR_BYTES;
use receive::{BUFFER_BYTES, Frame, Receive};
use registers::{BYTES, cause};
use transmit::{MAX_SEGMENTS, Memory, Transmit};

/// Vendor and, in the upper half, device.
const ID: u32 = 0x100e_8086;
/// BAR of its registers.
const BAR: u8 = 0;

static CARD: Lazy<Option<E1000>> = Lazy::new();

/// The first such card, started at its first use.
pub(crate) fn device() -> Option<&'static dyn NetDevice> {
    let card = CARD.get_or_make(E1000::start);
    card.as_ref().map(|card| card as &dyn NetDevice)
}

struct E1000 {
    chip: Chip,
    mac: [u8; 6],
    /// Whether its interrupt line could be had.
    has_line: bool,
    /// Locked until the card is done with what it was told of.
    transmit: Mutex<Transmit>,
    /// Locked for as long as a frame takes, not while one is waited for.
    receive: Mutex<Receive>,
    /// Frames that have come.
    buffers: DmaBuffer,
    /// Small frames to be sent, a place for each descriptor.
    small: DmaBuffer,
    is_broken: AtomicBool,
    /// Causes that interrupt.
    unmasked: AtomicU32,
    /// Interrupts that said that frames had come.
    arrivals: AtomicU32,
    senders: WaitQueue,
    receivers: WaitQueue,
    /// Those who sleep for a frame.
    sleeping_receivers: AtomicU32,
}

fn interrupted(_argument: usize) {
    if let Some(Some(card)) = CARD.get() {
        card.interrupted();
    }
}

impl E1000 {
    fn start() -> Option<Self> {
        let function = pci::find(ID)?;
        let chip = Chip::new(pci::bar(&function, BAR, 0, BYTES)?)?;
        function.enable_with_line();
        let mac = chip.reset().ok()?;
        let ring = |count: u16| DmaBuffer::new(u64::from(count) * DESCRIPTOR_BYTES);
        let (transmit, receive) = (ring(transmit::COUNT)?, ring(receive::COUNT)?);
        let buffers = DmaBuffer::new(u64::from(receive::COUNT) * BUFFER_BYTES)?;
        let places = (transmit.phys(), receive.phys());
        let receive = Receive::new(receive, buffers.phys());
        chip.start(places.0, places.1);
        let line = function.line();
        Some(Self {
            chip,
            mac,
            has_line: line.is_some_and(|line| irq::register_shared(line, interrupted, 0)),
            transmit: Mutex::new(Transmit::new(transmit)),
            receive: Mutex::new(receive),
            buffers,
            small: DmaBuffer::new(u64::from(transmit::COUNT) * SMALL_BYTES)?,
            is_broken: AtomicBool::new(false),
            unmasked: AtomicU32::new(0),
            arrivals: AtomicU32::new(0),
            senders: WaitQueue::new(),
            receivers: WaitQueue::new(),
            sleeping_receivers: AtomicU32::new(0),
        })
    }

    fn interrupted(&self) {
        match self.chip.take_causes() {
            None => drop(self.give_up()),
            Some(causes) => {
                if causes & cause::SENT != 0 {
                    self.senders.wake_all();
                }
                if causes & cause::RECEIVED != 0 {
                    self.arrivals.fetch_add(1, Ordering::Release);
                    self.receivers.wake_all();
                }
            }
        }
    }

    fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
    }

    fn check(&self) -> Result<(), Errno> {
        if self.is_broken() {
            return Err(Errno::Io);
        }
        Ok(())
    }

    /// The card is of no use any more.
    fn give_up(&self) -> Errno {
        if !self.is_broken.swap(true, Ordering::AcqRel) {
            self.chip.stop();
        }
        self.senders.wake_all();
        self.receivers.wake_all();
        Errno::Io
    }

    /// Lets those causes interrupt, if they do not yet.
    fn unmask(&self, causes: u32) {
        if self.unmasked.fetch_or(causes, Ordering::Relaxed) & causes == 0 {
            self.chip.unmask(causes);
        }
    }

    /// Lets them not interrupt, if they do. For those who poll; nobody sleeps for these causes.
    fn mask(&self, causes: u32) {
        if self.unmasked.load(Ordering::Relaxed) & causes != 0 {
            self.unmasked.fetch_and(!causes, Ordering::Relaxed);
            self.chip.mask(causes);
        }
    }

    fn sleeps(&self, mode: IoMode) -> bool {
        mode == IoMode::Interrupt && self.has_line
    }

    /// Adds a frame of so many bytes to the ring; false if there is no room for it.
    fn add(&self, transmit: &mut Transmit, frame: &[Segment], bytes: usize) -> bool {
        if bytes as u64 > SMALL_BYTES {
            return transmit.add(frame, Memory::Program);
        }
        let start = u64::from(transmit.next()) * SMALL_BYTES;
        let copy = Segment {
            phys: self.small.phys().offset(start),
            // No more than SMALL_BYTES.
            len: bytes as u32,
        };
        gather(&copy, frame);
        transmit.add(&[copy], Memory::Kernel)
    }

    /// Tells the card of all frames in the ring.
    fn publish(&self, transmit: &mut Transmit) {
        if let Some(tail) = transmit.publish() {
            self.chip.set_transmit_tail(tail);
        }
    }

    /// Waits until the card is done with all frames that it was told of.
    fn drain(&self, transmit: &mut Transmit, mode: IoMode) -> Result<(), Errno> {
        let done = || transmit.is_done() || self.is_broken();
        let in_time = if self.sleeps(mode) {
            self.unmask(cause::SENT);
            self.senders.wait_until_deadline(done, patience())
        } else {
            self.mask(cause::SENT);
            poll_until(done, patience())
        };
        if !in_time {
            return Err(self.give_up());
        }
        self.check()
    }

    /// The next frame, if one has come.
    fn take(&self, to: &[Segment]) -> Result<Option<usize>, Errno> {
        let mut receive = self.receive.lock();
        self.check()?;
        let Some(frame) = receive.peek().map_err(|_| self.give_up())? else {
            return Ok(None);
        };
        self.copy(frame, to);
        if let Some(tail) = receive.release() {
            self.chip.set_receive_tail(tail);
        }
        Ok(Some(frame.bytes))
    }

    /// Copies a frame out of its buffer, as far as there is room.
    fn copy(&self, frame: Frame, to: &[Segment]) {
        let (mut offset, mut left) = (frame.offset, frame.bytes);
        for segment in to {
            let part = segment.part(0, segment.len().min(left));
            part.receive(|bytes| self.buffers.read_bytes(offset, bytes));
            offset += part.len() as u64;
            left -= part.len();
        }
    }

    /// The next frame, for which the caller looks until the deadline.
    fn poll(&self, to: &[Segment], deadline_ns: u64) -> Result<Option<usize>, Errno> {
        if self.sleeping_receivers.load(Ordering::SeqCst) == 0 {
            self.mask(cause::RECEIVED);
        }
        let mut taken = Ok(None);
        let look = || {
            taken = self.take(to);
            !matches!(taken, Ok(None))
        };
        poll_until(look, deadline_ns);
        taken
    }

    /// The same, sleeping.
    fn sleep(&self, to: &[Segment], deadline_ns: u64) -> Result<Option<usize>, Errno> {
        loop {
            let seen = self.arrivals.load(Ordering::Acquire);
            let taken = self.take(to)?;
            if taken.is_some() {
                return Ok(taken);
            }
            let may_go = || {
                let has_come = self.arrivals.load(Ordering::Acquire) != seen;
                has_come || self.is_broken() || sched::is_ending()
            };
            self.sleeping_receivers.fetch_add(1, Ordering::SeqCst);
            self.unmask(cause::RECEIVED);
            let in_time = self.receivers.wait_until_deadline(may_go, deadline_ns);
            self.sleeping_receivers.fetch_sub(1, Ordering::SeqCst);
            if !in_time || sched::is_ending() {
                return Ok(None);
            }
        }
    }
}

impl FrameDevice for E1000 {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn send(&self, frame: &[Segment], mode: IoMode) -> Result<(), Errno> {
        let bytes = frame_bytes(frame)?;
        if frame.len() > MAX_SEGMENTS {
            return Err(Errno::Inval);
        }
        let mut transmit = self.transmit.lock();
        self.check()?;
        if !self.add(&mut transmit, frame, bytes) {
            self.publish(&mut transmit);
            self.drain(&mut transmit, mode)?;
            self.add(&mut transmit, frame, bytes);
        }
        Ok(())
    }

    fn finish(&self, mode: IoMode) -> Result<(), Errno> {
        let mut transmit = self.transmit.lock();
        self.check()?;
        self.publish(&mut transmit);
        if transmit.is_lent() {
            return self.drain(&mut transmit, mode);
        }
        self.mask(cause::SENT);
        Ok(())
    }

    fn receive(&self, to: &[Segment], wait: bool, mode: IoMode) -> Result<Option<usize>, Errno> {
        if !wait {
            return self.take(to);
        }
        let taken = match self.sleeps(mode) {
            true => self.sleep(to, patience()),
            false => self.poll(to, patience()),
        };
        taken?.map(Some).ok_or(Errno::TimedOut)
    }
}
