//! [`Interrupts`]: causes, which of them interrupt, and when (SDM 13.4.17 to 13.4.21, 3.2.7, 3.3.5).
//!
//! ```text
//!  frame sent, TIDV/TADV --+
//!                          +--> cause --IMS--> not sooner than ITR after the last --> INTA#
//!  frame came, RDTR/RADV --+
//! ```
//! All delays share a timer, which the device's worker watches.

use super::spec::{CAUSE_RXT0, CAUSE_TXDW, CAUSES};
use crate::irq::LevelLine;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};
use vmm_sys_util::timerfd::TimerFd;

/// Unit of ITR.
const THROTTLE_UNIT: Duration = Duration::from_nanos(256);
/// Unit of the delays.
const DELAY_UNIT: Duration = Duration::from_nanos(1024);

/// A delayed cause.
#[derive(Default)]
pub(super) struct Delay {
    /// A delay after the last event.
    last: Option<Instant>,
    /// The longest delay after the first.
    first: Option<Instant>,
}

impl Delay {
    fn due(&self) -> Option<Instant> {
        [self.last, self.first].into_iter().flatten().min()
    }

    /// Something has happened: it is to be told after `delay`, and after `longest` at most, if that
    /// is not nothing; both in units. True if at once.
    fn note(&mut self, now: Instant, delay: u32, longest: u32) -> bool {
        if delay == 0 {
            *self = Self::default();
            return true;
        }
        self.last = Some(now + DELAY_UNIT * delay);
        if longest != 0 && self.first.is_none() {
            self.first = Some(now + DELAY_UNIT * longest);
        }
        false
    }

    /// Whether the time has come.
    fn take(&mut self, now: Instant) -> bool {
        let due = self.due().is_some_and(|due| due <= now);
        if due {
            *self = Self::default();
        }
        due
    }
}

pub(super) struct Interrupts {
    line: LevelLine,
    timer: TimerFd,
    /// When the timer expires.
    armed: Option<Instant>,
    /// Whether the line is high.
    high: bool,
    /// The line does not rise before.
    quiet_until: Option<Instant>,
    transmit: Delay,
    receive: Delay,

    causes: u32,
    mask: u32,
    /// Shortest time between interrupts, in 256 ns.
    interval: u32,
    /// INTx must not be used.
    disabled: bool,
}

impl Interrupts {
    pub(super) fn new(line: LevelLine) -> std::io::Result<Self> {
        Ok(Self {
            line,
            timer: TimerFd::new()?,
            armed: None,
            high: false,
            quiet_until: None,
            transmit: Delay::default(),
            receive: Delay::default(),
            causes: 0,
            mask: 0,
            interval: 0,
            disabled: false,
        })
    }

    /// Readable when [`Self::expired`] is to be called.
    pub(super) fn timer_fd(&self) -> RawFd {
        self.timer.as_raw_fd()
    }

    pub(super) fn reset(&mut self) {
        (self.causes, self.mask, self.interval) = (0, 0, 0);
        (self.transmit, self.receive) = (Delay::default(), Delay::default());
        self.settle(Instant::now());
    }

    pub(super) fn mask(&self) -> u32 {
        self.mask
    }

    /// Whether INTA# is wanted.
    pub(super) fn pending(&self) -> bool {
        self.causes & self.mask != 0
    }

    /// The causes, which the driver has taken by this.
    pub(super) fn take(&mut self) -> u32 {
        let taken = self.causes;
        self.clear(u32::MAX);
        taken
    }

    pub(super) fn clear(&mut self, causes: u32) {
        self.causes &= !causes;
        self.settle(Instant::now());
    }

    pub(super) fn set(&mut self, causes: u32) {
        self.causes |= causes & CAUSES;
        self.settle(Instant::now());
    }

    pub(super) fn set_mask(&mut self, mask: u32) {
        self.mask = mask & CAUSES;
        self.settle(Instant::now());
    }

    pub(super) fn set_interval(&mut self, interval: u32) {
        self.interval = interval & 0xffff;
        self.settle(Instant::now());
    }

    pub(super) fn disable(&mut self, disabled: bool) {
        self.disabled = disabled;
        self.settle(Instant::now());
    }

    /// A descriptor of a sent frame is written back, with that delay and longest delay.
    pub(super) fn note_sent(&mut self, delay: u32, longest: u32) {
        let now = Instant::now();
        if self.transmit.note(now, delay, longest) {
            self.causes |= CAUSE_TXDW;
        }
        self.settle(now);
    }

    /// A frame is received; `more` are causes beside that.
    pub(super) fn note_received(&mut self, delay: u32, longest: u32, more: u32) {
        let now = Instant::now();
        if self.receive.note(now, delay, longest) {
            self.causes |= CAUSE_RXT0;
        }
        self.causes |= more;
        self.settle(now);
    }

    /// Received frames are not to be told of later, but now.
    pub(super) fn flush_received(&mut self) {
        if self.receive.due().is_some() {
            self.receive = Delay::default();
            self.set(CAUSE_RXT0);
        }
    }

    /// The timer has expired.
    pub(super) fn expired(&mut self) {
        // Not readable if it was set anew meanwhile; a read would wait.
        self.armed = None;
        if let Err(error) = self.timer.clear() {
            log::debug!("e1000: a timer: {error}");
        }
        self.settle(Instant::now());
    }

    /// Brings causes, line and timer in line with the time.
    fn settle(&mut self, now: Instant) {
        if self.transmit.take(now) {
            self.causes |= CAUSE_TXDW;
        }
        if self.receive.take(now) {
            self.causes |= CAUSE_RXT0;
        }
        self.quiet_until = self.quiet_until.filter(|until| *until > now);
        let wanted = self.pending() && !self.disabled;
        if wanted && !self.high && self.quiet_until.is_none() {
            self.quiet_until = match self.interval {
                0 => None,
                interval => Some(now + THROTTLE_UNIT * interval),
            };
            self.set_line(true);
        } else if !wanted && self.high {
            self.set_line(false);
        }
        let quiet = self.quiet_until.filter(|_| wanted && !self.high);
        let next = [self.transmit.due(), self.receive.due(), quiet];
        if let Some(next) = next.into_iter().flatten().min() {
            self.arm(now, next);
        }
    }

    fn set_line(&mut self, high: bool) {
        self.high = high;
        self.line.set(high);
    }

    /// A timer that expires too soon is harmless, and is not set anew.
    fn arm(&mut self, now: Instant, next: Instant) {
        if self.armed.is_some_and(|armed| armed <= next) {
            return;
        }
        let wait = next.saturating_duration_since(now);
        match self.timer.reset(wait.max(Duration::from_nanos(1)), None) {
            Ok(()) => self.armed = Some(next),
            Err(error) => log::debug!("e1000: a timer: {error}"),
        }
    }

    /// Causes and mask, of which delayed causes are part: who restores them has no other time.
    pub(super) fn save(&self) -> (u32, u32) {
        let due = |delay: &Delay, cause| if delay.due().is_some() { cause } else { 0 };
        let delayed = due(&self.transmit, CAUSE_TXDW) | due(&self.receive, CAUSE_RXT0);
        (self.causes | delayed, self.mask)
    }

    pub(super) fn restore(&mut self, causes: u32, mask: u32) {
        (self.causes, self.mask) = (causes & CAUSES, mask & CAUSES);
        self.settle(Instant::now());
    }
}
