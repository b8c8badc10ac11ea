//! [`Patience`]: ends a VM whose kernel never says that it is one of ours.

use super::meter::Meter;
use crate::halt::HaltReason;
use crate::machine::Machine;
use crate::run_loop::Shared;
use devices::timer::TimedDevice;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use vmm_sys_util::timerfd::TimerFd;

/// Longest time until a guest says so: the built-in one takes a twentieth of a second.
pub(super) const START_SECONDS: u64 = 30;

/// Looks once, when the time is over.
pub(super) struct Patience {
    timer: TimerFd,
    meter: Arc<Mutex<Meter>>,
    shared: Arc<Shared>,
}

impl Patience {
    pub(super) fn start(machine: &Machine, meter: Arc<Mutex<Meter>>) -> io::Result<Self> {
        let mut timer = TimerFd::new()?;
        timer.reset(Duration::from_secs(START_SECONDS), None)?;
        let shared = machine.shared().clone();
        Ok(Self {
            timer,
            meter,
            shared,
        })
    }
}

impl TimedDevice for Patience {
    fn timer_fd(&self) -> RawFd {
        self.timer.as_raw_fd()
    }

    fn timer_expired(&mut self) {
        if let Err(error) = self.timer.wait() {
            log::error!("timer: {error}");
        }
        let meter = self.meter.lock().unwrap_or_else(PoisonError::into_inner);
        if !meter.is_up() {
            self.shared.end(HaltReason::Timeout);
        }
    }
}
