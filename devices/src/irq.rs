//! [`IrqLine`]: the handle by which a device interrupts the guest.

use std::io;
use std::sync::Arc;
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
