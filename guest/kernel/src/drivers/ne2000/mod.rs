//! NE2000: the RTL8029AS on PCI (Realtek data sheet LS009), a DP8390D (National Semiconductor data
//! sheet) with 16 KiB of memory that a program's bytes get to and from word by word, through a
//! port.
//!
//! ```text
//!  Ne2000: waits, gives up --> Card: what is sent, the receive Ring --> Chip: registers
//!     ^ interrupt                |
//!     |                          +--> words: pinned memory, data port
//! ```
//! Nothing interrupts but what somebody sleeps for, and that once: the handler forbids it again,
//! by which the card lets go of the line that it may share.

mod card;
mod chip;
mod registers;
mod ring;
mod words;

use super::lazy::Lazy;
use super::net::card::{Broken, frame_bytes, patience};
use super::net::{FrameDevice, NetDevice};
use super::{Segment, pci, poll_until};
use crate::irq;
use crate::sched::{self, WaitQueue};
use crate::sync::Mutex;
use abi::syscall::{Errno, IoMode};
use card::{ARRIVED, Card, SENT};
use chip::Chip;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Vendor and, in the upper half, device.
const ID: u32 = 0x8029_10ec;
/// BAR of its ports.
const BAR: u8 = 0;

static CARD: Lazy<Option<Ne2000>> = Lazy::new();

/// The first such card, started at its first use.
pub(crate) fn device() -> Option<&'static dyn NetDevice> {
    let card = CARD.get_or_make(Ne2000::start);
    card.as_ref().map(|card| card as &dyn NetDevice)
}

struct Ne2000 {
    chip: Chip,
    mac: [u8; 6],
    /// Whether its interrupt line could be had.
    has_line: bool,
    card: Mutex<Card>,
    is_broken: AtomicBool,
    /// Interrupts so far.
    interrupts: AtomicU32,
    waiters: WaitQueue,
}

fn interrupted(_argument: usize) {
    if let Some(Some(card)) = CARD.get() {
        card.interrupted();
    }
}

impl Ne2000 {
    fn start() -> Option<Self> {
        let function = pci::find(ID)?;
        let chip = Chip::new(pci::io_bar(&function, BAR)?);
        function.enable_with_line();
        let Ok(mac) = chip.start() else {
            // It stays away from the line.
            let _ = chip.reset();
            return None;
        };
        let line = function.line();
        Some(Self {
            chip,
            mac,
            has_line: line.is_some_and(|line| irq::register_shared(line, interrupted, 0)),
            card: Mutex::new(Card::new()),
            is_broken: AtomicBool::new(false),
            interrupts: AtomicU32::new(0),
            waiters: WaitQueue::new(),
        })
    }

    fn interrupted(&self) {
        if self.chip.mask() {
            self.interrupts.fetch_add(1, Ordering::Release);
            self.waiters.wake_all();
        }
    }

    fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
    }

    /// Whether the card does what `attempt` asks it for: `None` is not yet.
    fn attempt<T>(
        &self,
        attempt: &mut impl FnMut(&mut Card) -> Result<Option<T>, Broken>,
    ) -> Result<Option<T>, Errno> {
        let mut card = self.card.lock();
        if self.is_broken() {
            return Err(Errno::Io);
        }
        attempt(&mut card).map_err(|Broken| self.give_up())
    }

    /// The card, whose lock the caller has, is of no use any more.
    fn give_up(&self) -> Errno {
        self.is_broken.store(true, Ordering::Release);
        self.chip.mask();
        // If it does not even do that, nothing else helps.
        let _ = self.chip.reset();
        self.waiters.wake_all();
        Errno::Io
    }

    /// Attempts until it is done; `None` if it was not for too long, or if the program has to end
    /// and `causes`, by which the card says that it may be done now, are its own.
    fn until<T>(
        &self,
        causes: u8,
        mode: IoMode,
        mut attempt: impl FnMut(&mut Card) -> Result<Option<T>, Broken>,
    ) -> Result<Option<T>, Errno> {
        let deadline_ns = patience();
        if mode == IoMode::Poll || !self.has_line {
            let mut result = Ok(None);
            let look = || {
                result = self.attempt(&mut attempt);
                !matches!(result, Ok(None))
            };
            poll_until(look, deadline_ns);
            return result;
        }
        loop {
            let seen = self.interrupts.load(Ordering::Acquire);
            let result = self.attempt(&mut attempt);
            if !matches!(result, Ok(None)) {
                return result;
            }
            self.chip.unmask(causes);
            let may_go = || {
                let is_new = self.interrupts.load(Ordering::Acquire) != seen;
                is_new || self.is_broken() || causes == ARRIVED && sched::is_ending()
            };
            let is_awake = self.waiters.wait_until_deadline(may_go, deadline_ns);
            if !is_awake || causes == ARRIVED && sched::is_ending() {
                return Ok(None);
            }
        }
    }

    /// The same for what the card must do.
    fn must<T>(
        &self,
        mode: IoMode,
        attempt: impl FnMut(&mut Card) -> Result<Option<T>, Broken>,
    ) -> Result<T, Errno> {
        self.until(SENT, mode, attempt)?.ok_or_else(|| {
            let _card = self.card.lock();
            self.give_up()
        })
    }
}

impl FrameDevice for Ne2000 {
    fn mac(&self) -> [u8; 6] {
        self.mac
    }

    fn send(&self, frame: &[Segment], mode: IoMode) -> Result<(), Errno> {
        let bytes = frame_bytes(frame)?;
        self.must(mode, |card| card.send(&self.chip, frame, bytes))
    }

    fn finish(&self, mode: IoMode) -> Result<(), Errno> {
        self.must(mode, |card| card.finish(&self.chip))
    }

    fn receive(&self, to: &[Segment], wait: bool, mode: IoMode) -> Result<Option<usize>, Errno> {
        let mut receive = |card: &mut Card| card.receive(&self.chip, to);
        if !wait {
            return self.attempt(&mut receive);
        }
        let received = self.until(ARRIVED, mode, receive)?;
        received.map(Some).ok_or(Errno::TimedOut)
    }
}
