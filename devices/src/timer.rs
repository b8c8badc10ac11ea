//! [`TimedDevice`]: a device that does something later than the guest's access.
//!
//! It owns a timer; an event loop of the host watches the timer and calls the device when it
//! expires. A device that needs no time has its timer disarmed, which costs nothing.

#[cfg(test)]
use std::os::fd::AsRawFd;
use std::os::fd::RawFd;
#[cfg(test)]
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};
#[cfg(test)]
use vmm_sys_util::timerfd::TimerFd;

/// A device with a timer. Whoever runs it watches [`TimedDevice::timer_fd`] for input.
pub trait TimedDevice: Send {
    /// Readable when [`TimedDevice::timer_expired`] is to be called; the same for ever.
    fn timer_fd(&self) -> RawFd;
    /// The time has come.
    fn timer_expired(&mut self);
}

/// Whether a timer has been set, also if it has expired since, as it does when a test is slow.
#[cfg(test)]
pub(crate) fn is_set(timer: &TimerFd) -> bool {
    if timer.is_armed().expect("a timer") {
        return true;
    }
    let epoll = Epoll::new().expect("an epoll");
    let event = EpollEvent::new(EventSet::IN, 0);
    let added = epoll.ctl(ControlOperation::Add, timer.as_raw_fd(), event);
    added.expect("a timer can be watched");
    let expired = epoll.wait(0, &mut [EpollEvent::default()]);
    expired.expect("no wait") == 1
}
