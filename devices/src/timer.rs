//! [`TimedDevice`]: a device that does something later than the guest's access.
//!
//! It owns a timer; an event loop of the host watches the timer and calls the device when it
//! expires. A device that needs no time has its timer disarmed, which costs nothing.

use std::os::fd::RawFd;

/// A device with a timer. Whoever runs it watches [`TimedDevice::timer_fd`] for input.
pub trait TimedDevice: Send {
    /// Readable when [`TimedDevice::timer_expired`] is to be called; the same for ever.
    fn timer_fd(&self) -> RawFd;
    /// The time has come.
    fn timer_expired(&mut self);
}
