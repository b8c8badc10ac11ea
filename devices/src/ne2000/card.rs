//! [`Card`]: the chip behind its ports, with its interrupt line and its network.
//!
//! Transmission is the vCPU's: a packet is given to the network by the very write that asks for it,
//! and kept, with TXP held, when the network has no room. Reception, and what was kept, is the
//! worker's. It takes a packet out of the network and waits with it while the ring has no room: the
//! wire stands still for [`PATIENCE`], and only then the packet is lost and OVW says so. A wire
//! that does not wait, with a sender as fast as this one, would lose most of what it carries.

use super::chip::{Chip, Request};
use super::receive::Received;
use super::registers::Registers;
use super::spec::{CR_TXP, DATA, MAX_PACKET_BYTES, RESET, TSR_CRS, TSR_PTX};
use super::worker::Sources;
use crate::bus::{PioDevice, Width};
use crate::irq::LevelLine;
use crate::net::MAX_FRAME_BYTES;
use crate::net::backend::{PortError, Received as FromPort, Transmitted};
use crate::net::frame_port::FramePort;
use crate::net::gate::Interest;
use crate::net::mac::MacAddress;
use std::io;
use std::os::fd::AsRawFd;
use std::time::Duration;
use vmm_sys_util::eventfd::EventFd;
use vmm_sys_util::timerfd::TimerFd;

/// How long a packet waits for room in the ring: for long enough that a driver which reads, on
/// however busy a host, loses none.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// Packets taken from the network before others get the card.
const TURN_PACKETS: usize = 32;

/// What the worker waits for besides the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// Nothing: the network alone brings it work.
    Network,
    /// The driver, which takes packets out of the ring, or starts the receiver.
    Driver,
}

/// Whether the network works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Up,
    Down,
}

/// The card.
pub struct Card {
    // Wiring.
    port: FramePort,
    line: LevelLine,
    wake_evt: EventFd,
    patience: TimerFd,
    // Book-keeping.
    link: Link,
    /// The line is high.
    high: bool,
    /// INTA# must not be used.
    masked: bool,
    wait: Wait,
    /// The time for which the incoming packet waits has begun.
    patient: bool,
    /// Taken from the network, with the length of the packet that has no room yet.
    frame: Box<[u8]>,
    incoming: Option<usize>,
    /// Packet for which the network has no room yet, if TXP is set.
    outgoing: Vec<u8>,
    /// The network has kept a part of the last packet.
    unflushed: bool,
    // State.
    pub(super) chip: Chip,
}

impl Card {
    pub(super) fn new(port: FramePort, mac: MacAddress, line: LevelLine) -> io::Result<Self> {
        Ok(Self {
            port,
            line,
            wake_evt: EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?,
            patience: TimerFd::new()?,
            link: Link::Up,
            high: false,
            masked: false,
            wait: Wait::Driver,
            patient: false,
            frame: vec![0; MAX_FRAME_BYTES].into(),
            incoming: None,
            outgoing: Vec::with_capacity(MAX_PACKET_BYTES),
            unflushed: false,
            chip: Chip::new(mac),
        })
    }

    /// Descriptors that the worker waits for. They stay as long as the card.
    pub(super) fn sources(&self) -> Sources {
        Sources {
            network: self.port.fd(),
            wake: self.wake_evt.as_raw_fd(),
            patience: self.patience.as_raw_fd(),
        }
    }

    /// Whether the driver has forbidden INTA#.
    pub(super) fn set_masked(&mut self, masked: bool) {
        self.masked = masked;
        self.set_line();
    }

    /// The worker's turn; what of the network it is to wait for then.
    pub(super) fn work(&mut self) -> Interest {
        let _ = self.wake_evt.read();
        self.wait = Wait::Network;
        if self.unflushed || self.is_transmitting() {
            self.send();
        }
        let input = self.receive();
        self.set_line();
        Interest {
            input,
            output: self.unflushed || self.is_transmitting(),
        }
    }

    /// Takes packets into the ring; whether more are to be waited for.
    fn receive(&mut self) -> bool {
        for _ in 0..TURN_PACKETS {
            if self.link == Link::Down {
                return false;
            }
            if !self.chip.registers.receives() {
                self.wait = Wait::Driver;
                return false;
            }
            let bytes = match self.incoming.take() {
                Some(bytes) => bytes,
                None => match self.port.receive(&mut self.frame) {
                    Ok(FromPort::Frame { bytes, .. }) if bytes <= MAX_PACKET_BYTES => bytes,
                    Ok(FromPort::Frame { .. } | FromPort::Dropped) => continue,
                    Ok(FromPort::Nothing) => return true,
                    Err(error) => {
                        self.link_down(&error);
                        return false;
                    }
                },
            };
            match self.chip.receive(&self.frame[..bytes]) {
                Received::Done => self.set_patient(false),
                Received::NoRoom => {
                    self.incoming = Some(bytes);
                    self.set_patient(true);
                    self.wait = Wait::Driver;
                    return false;
                }
            }
        }
        self.wake();
        true
    }

    /// The packet that waits for room begins to wait, or does not any more.
    fn set_patient(&mut self, patient: bool) {
        if self.patient == patient {
            return;
        }
        self.patient = patient;
        let set = match patient {
            true => self.patience.reset(PATIENCE, None),
            false => self.patience.clear(),
        };
        if let Err(error) = set {
            log::error!("ne2000 timer: {error}");
        }
    }

    /// The incoming packet has waited for long enough, if the receiver was on meanwhile, and if it
    /// is not another that waits since the timer expired.
    pub(super) fn lose_patience(&mut self) {
        if !self.patient || self.patience.is_armed().unwrap_or(false) {
            return;
        }
        self.set_patient(false);
        if self.chip.registers.receives()
            && let Some(bytes) = self.incoming.take()
            && self.chip.receive(&self.frame[..bytes]) == Received::NoRoom
        {
            self.chip.overflow();
        }
    }

    /// Whether there is a packet to send.
    fn is_transmitting(&self) -> bool {
        self.chip.registers.cr & CR_TXP != 0
    }

    /// The driver asks for a transmission.
    fn transmit(&mut self) {
        if self.chip.take_packet(&mut self.outgoing) {
            self.send();
            if self.unflushed || self.is_transmitting() {
                self.wake();
            }
        }
    }

    /// Gives the network what it has room for.
    fn send(&mut self) {
        if let Err(error) = self.try_send() {
            self.link_down(&error);
        }
        if self.link == Link::Down && self.is_transmitting() {
            self.chip.transmitted(TSR_PTX | TSR_CRS);
        }
    }

    fn try_send(&mut self) -> Result<(), PortError> {
        if self.link == Link::Down {
            return Ok(());
        }
        if self.is_transmitting() && self.port.transmit(&self.outgoing)? == Transmitted::Done {
            self.chip.transmitted(TSR_PTX);
        }
        self.unflushed = !self.port.flush()?;
        Ok(())
    }

    /// What the network has accepted goes out, as far as its other end takes it now.
    pub(super) fn flush(&mut self) {
        let _ = self.port.flush();
    }

    /// The network fails: nothing comes any more, and what is sent is lost.
    pub(super) fn link_down(&mut self, error: &PortError) {
        self.unflushed = false;
        if self.link == Link::Up {
            self.link = Link::Down;
            let name = self.port.name();
            log::warn!("network {name}: {error}; its link is down from now on");
        }
    }

    /// Makes the worker look for work.
    pub(super) fn wake(&mut self) {
        self.wait = Wait::Network;
        if let Err(error) = self.wake_evt.write(1) {
            log::error!("waking an ne2000's worker: {error}");
        }
    }

    /// The card is reset: what it was doing is given up.
    fn reset(&mut self) {
        self.chip.registers.reset();
        self.incoming = None;
        self.set_patient(false);
    }

    /// Takes over saved registers and a saved packet buffer.
    pub(super) fn restore(&mut self, registers: &Registers, ram: &[u8]) {
        self.reset();
        self.chip.registers = registers.clone();
        self.chip.memory.restore(ram);
        if self.is_transmitting() {
            self.transmit();
        }
        self.wake();
    }

    fn set_line(&mut self) {
        let high = self.chip.registers.interrupts() && !self.masked;
        if high != self.high {
            self.high = high;
            self.line.set(high);
        }
    }

    /// After a write: whether the worker can do now what it waits for.
    fn wake_if_able(&mut self) {
        if self.wait == Wait::Driver && self.chip.registers.receives() {
            let registers = &self.chip.registers;
            let has_room = |bytes| registers.page_after_packet(bytes).is_some();
            if self.incoming.is_none_or(has_room) {
                self.wake();
            }
        }
    }
}

impl PioDevice for Card {
    fn max_width(&self) -> Width {
        Width::Dword
    }

    fn pio_read(&mut self, offset: u16, width: Width) -> u32 {
        let value = match offset {
            RESET.. => {
                self.reset();
                0
            }
            DATA.. => self.chip.read_data(width),
            _ => {
                let mut bytes = [0; 4];
                for (byte, number) in bytes.iter_mut().zip(offset..).take(width.bytes()) {
                    *byte = self.chip.registers.read(number);
                }
                u32::from_le_bytes(bytes)
            }
        };
        self.set_line();
        value
    }

    fn pio_write(&mut self, offset: u16, width: Width, value: u32) {
        match offset {
            RESET.. => self.reset(),
            DATA.. => self.chip.write_data(width, value),
            _ => {
                for (byte, number) in value.to_le_bytes().into_iter().zip(offset..) {
                    if usize::from(number - offset) == width.bytes() {
                        break;
                    }
                    if self.chip.write(number, byte) == Request::Transmit {
                        self.transmit();
                    }
                }
                self.wake_if_able();
            }
        }
        self.set_line();
    }
}
