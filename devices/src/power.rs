//! [`PowerSwitch`]: the handle by which a device ends the VM.

use std::io;
use std::sync::{Arc, OnceLock};
use vmm_sys_util::eventfd::EventFd;

/// What the guest asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerEvent {
    /// Reset, by the i8042 or port 0xcf9.
    Reset,
    /// Power-off, by the sleep control of ACPI.
    PowerOff,
    /// A byte written to the debug-exit port.
    DebugExit(u8),
    /// A value written to the port that test kernels end by.
    TestExit(u8),
}

/// Shared by the devices that can end the VM and those who run it. The first event wins.
#[derive(Clone)]
pub struct PowerSwitch {
    shared: Arc<Shared>,
}

struct Shared {
    event: OnceLock<PowerEvent>,
    evt: EventFd,
}

impl PowerSwitch {
    /// A switch that nobody has pressed.
    pub fn new() -> io::Result<Self> {
        let evt = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?;
        Ok(Self {
            shared: Arc::new(Shared {
                event: OnceLock::new(),
                evt,
            }),
        })
    }

    /// Ends the VM, unless that has been asked for already.
    pub fn press(&self, event: PowerEvent) {
        if self.shared.event.set(event).is_ok()
            && let Err(error) = self.shared.evt.write(1)
        {
            log::error!("power switch event: {error}");
        }
    }

    /// What was asked for, if anything. Cheap enough to ask after each exit.
    pub fn pressed(&self) -> Option<PowerEvent> {
        self.shared.event.get().copied()
    }

    /// Becomes readable when the switch is pressed.
    pub fn evt(&self) -> &EventFd {
        &self.shared.evt
    }
}
