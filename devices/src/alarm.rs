//! [`Alarm`]: a function of PCI that interrupts some time after it is told to, by an edge of a
//! line or by a message, and says when it did (`abi::alarm` has the registers). By it a guest
//! measures how long an interrupt takes.

use crate::bus::{MmioDevice, Width};
use crate::irq::IrqLine;
use crate::pci::PciFunction;
use crate::pci::config::{BarKind, ConfigSpace, Identity};
use crate::pci::msix::{MsiSink, Msix};
use crate::timer::TimedDevice;
use abi::alarm::{BAR_BYTES, DELAY, ID, MESSAGE, MOST_US, MSIX_PENDING, MSIX_TABLE, START};
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};
use vm_superio::Trigger;
use vmm_sys_util::timerfd::TimerFd;

/// The BAR of all registers.
pub const BAR: usize = 0;
/// Vectors of MSI-X.
pub const VECTORS: u16 = 1;

const IDENTITY: Identity = Identity {
    vendor: ID.0,
    device: ID.1,
    // Of no class.
    class: [0xff, 0x00, 0x00],
    revision: 0,
    subsystem: (0x1af4, 0x1100),
};

/// The function.
pub struct Alarm {
    config: ConfigSpace,
    msix: Msix,
    msix_control: u16,
    line: IrqLine,
    timer: TimerFd,
    waiting: Option<Waiting>,
    delay_ns: u32,
}

/// An interrupt to come.
struct Waiting {
    since: Instant,
    delay: Duration,
    way: Way,
}

#[derive(Clone, Copy)]
enum Way {
    Line,
    Message,
}

impl Alarm {
    /// One with that line and those messages.
    pub fn new(line: IrqLine, messages: Box<dyn MsiSink>) -> io::Result<Self> {
        let mut config = ConfigSpace::new(IDENTITY);
        config.add_bar(BAR, BarKind::Memory, BAR_BYTES);
        let msix = Msix::new(VECTORS, messages);
        let msix_control = msix.add_capability(&mut config, BAR as u32, MSIX_TABLE, MSIX_PENDING);
        Ok(Self {
            config,
            msix,
            msix_control,
            line,
            timer: TimerFd::new()?,
            waiting: None,
            delay_ns: 0,
        })
    }

    fn start(&mut self, value: u32) -> io::Result<()> {
        // A timer of 0 is off.
        let us = (value & !MESSAGE).clamp(1, MOST_US);
        let delay = Duration::from_micros(us.into());
        self.delay_ns = 0;
        self.waiting = Some(Waiting {
            since: Instant::now(),
            delay,
            way: match value & MESSAGE {
                0 => Way::Line,
                _ => Way::Message,
            },
        });
        Ok(self.timer.reset(delay, None)?)
    }

    /// Interrupts if it is time: the guest may have set the timer anew since it expired.
    fn interrupt(&mut self) -> io::Result<()> {
        let is_due = |waiting: &mut Waiting| waiting.since.elapsed() >= waiting.delay;
        let Some(Waiting { since, way, .. }) = self.waiting.take_if(is_due) else {
            return Ok(());
        };
        self.timer.clear()?;
        // From here on the way to the guest is as short as it can be.
        let delay = since.elapsed().as_nanos();
        self.delay_ns = u32::try_from(delay).unwrap_or(u32::MAX).max(1);
        match way {
            Way::Line => self.line.trigger(),
            Way::Message => self.msix.trigger(0),
        }
    }
}

impl PciFunction for Alarm {
    fn config(&self) -> &ConfigSpace {
        &self.config
    }

    fn config_mut(&mut self) -> &mut ConfigSpace {
        &mut self.config
    }

    fn settle(&mut self) {
        let control = self.config.read(self.msix_control, Width::Word) as u16;
        self.msix.set_control(control);
    }
}

impl MmioDevice for Alarm {
    fn mmio_read(&mut self, offset: u64, width: Width) -> u64 {
        if let Some(pending) = offset.checked_sub(MSIX_PENDING.into()) {
            return self.msix.read_pending(pending, width).into();
        }
        if let Some(table) = offset.checked_sub(MSIX_TABLE.into()) {
            return self.msix.read_table(table, width).into();
        }
        match (offset, width) {
            (DELAY, Width::Dword) => self.delay_ns.into(),
            _ => 0,
        }
    }

    fn mmio_write(&mut self, offset: u64, width: Width, value: u64) {
        if offset >= MSIX_PENDING.into() {
            return;
        }
        if let Some(table) = offset.checked_sub(MSIX_TABLE.into()) {
            return self.msix.write_table(table, width, value as u32);
        }
        if (offset, width) == (START, Width::Dword)
            && let Err(error) = self.start(value as u32)
        {
            log::error!("alarm: {error}");
        }
    }
}

impl TimedDevice for Alarm {
    fn timer_fd(&self) -> RawFd {
        self.timer.as_raw_fd()
    }

    fn timer_expired(&mut self) {
        if let Err(error) = self.interrupt() {
            log::error!("alarm: {error}");
        }
    }
}

#[cfg(test)]
mod tests;
