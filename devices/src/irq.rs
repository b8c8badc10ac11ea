//! The handles by which a device interrupts the guest: [`IrqLine`], by edges, and [`LevelLine`],
//! its part of a level-triggered [`SharedLine`].

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use vm_superio::Trigger;
use vmm_sys_util::eventfd::EventFd;

/// One interrupt line. Whoever wires the device connects [`IrqLine::evt`] to the line's `gsi`.
#[derive(Clone)]
pub struct IrqLine {
    evt: Arc<EventFd>,
}

impl IrqLine {
    /// A line that is connected to nothing yet.
    pub fn new() -> io::Result<Self> {
        let evt = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
        Ok(Self { evt: Arc::new(evt) })
    }

    /// The event that stands for the line: each write to it is one edge.
    pub fn evt(&self) -> &EventFd {
        &self.evt
    }
}

impl Trigger for IrqLine {
    type E = io::Error;

    /// Interrupts the guest.
    fn trigger(&self) -> io::Result<()> {
        self.evt.write(1)
    }
}

/// Sets the level of an input of the interrupt controllers.
pub trait LevelInput: Send + Sync {
    /// High interrupts, and again after each end of interrupt, until it is low.
    fn set(&self, high: bool);
}

/// A level-triggered line that devices share: high as long as one of them wants it so.
pub struct SharedLine {
    input: Box<dyn LevelInput>,
    /// A bit a device that wants it high. The input is set with this locked, so that it follows.
    wanted: Mutex<u64>,
    /// Devices so far.
    users: Mutex<u32>,
}

impl SharedLine {
    /// A line that ends at `input`, which is low.
    pub fn new(input: Box<dyn LevelInput>) -> Arc<Self> {
        Arc::new(Self {
            input,
            wanted: Mutex::new(0),
            users: Mutex::new(0),
        })
    }

    /// The part of one more device, of at most 64.
    pub fn join(self: &Arc<Self>) -> LevelLine {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let bit = 1_u64
            .checked_shl(*users)
            .expect("at most 64 devices on a line");
        *users += 1;
        LevelLine {
            shared: self.clone(),
            bit,
        }
    }
}

/// One device's part of a level-triggered line.
#[derive(Clone)]
pub struct LevelLine {
    shared: Arc<SharedLine>,
    bit: u64,
}

impl LevelLine {
    /// Whether this device wants the line high.
    pub fn set(&self, high: bool) {
        let wanted = &self.shared.wanted;
        let mut wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *wanted;
        *wanted = if high {
            before | self.bit
        } else {
            before & !self.bit
        };
        if (before == 0) != (*wanted == 0) {
            self.shared.input.set(*wanted != 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Counts changes: odd is high.
    struct Changes(Arc<AtomicU32>);

    impl LevelInput for Changes {
        fn set(&self, high: bool) {
            let before = self.0.fetch_add(1, Ordering::SeqCst);
            assert_eq!(high, before.is_multiple_of(2), "set to what it was");
        }
    }

    #[test]
    fn a_shared_line_is_high_as_long_as_one_device_wants_it() {
        let changes = Arc::new(AtomicU32::new(0));
        let line = SharedLine::new(Box::new(Changes(changes.clone())));
        let (a, b) = (line.join(), line.join());
        a.set(true);
        b.set(true);
        a.set(true);
        a.set(false);
        assert_eq!(changes.load(Ordering::SeqCst), 1);
        b.set(false);
        b.set(false);
        assert_eq!(changes.load(Ordering::SeqCst), 2);
    }
}
