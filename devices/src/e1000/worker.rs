//! The card's thread: frames both ways, and interrupts whose time has come.

use super::receive::Receiver;
use super::transmit::{Pause, Transmitter};
use super::{Medium, Shared, lock};
use crate::net::backend::PortError;
use crate::net::frame_port::FramePort;
use crate::net::gate::{Gate, Interest};
use crate::virtio::worker::Work;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use vm_memory::GuestMemoryMmap;

const WAKE: u32 = 0;
const PORT_READY: u32 = 1;
const TIMER: u32 = 2;

/// All that touches memory and the network.
pub(super) struct Engine {
    memory: GuestMemoryMmap,
    port: FramePort,
    pub(super) transmitter: Transmitter,
    pub(super) receiver: Receiver,
}

impl Engine {
    pub(super) fn new(memory: GuestMemoryMmap, port: FramePort) -> Self {
        Self {
            memory,
            port,
            transmitter: Transmitter::default(),
            receiver: Receiver::new(),
        }
    }

    pub(super) fn port_fd(&self) -> RawFd {
        self.port.fd()
    }

    /// Moves frames both ways. Returns what the network is waited for, and whether there is more to
    /// do at once.
    fn turn(&mut self, shared: &Shared) -> Result<(Interest, bool), PortError> {
        let mut medium = Medium {
            memory: &self.memory,
            port: &mut self.port,
            registers: &shared.registers,
        };
        let sending = self.transmitter.turn(&mut medium)?;
        let receiving = match medium.is_up() {
            true => self.receiver.turn(&mut medium)?,
            false => Pause::Driver,
        };
        let interest = Interest {
            input: receiving == Pause::Network,
            output: sending == Pause::Network,
        };
        Ok((interest, [sending, receiving].contains(&Pause::Turn)))
    }
}

pub(super) struct CardWork {
    shared: Arc<Shared>,
    gate: Gate,
    timer: RawFd,
}

impl CardWork {
    pub(super) fn new(shared: Arc<Shared>) -> io::Result<Self> {
        let fd = lock(&shared.engine).port_fd();
        let timer = lock(&shared.registers).interrupts.timer_fd();
        Ok(Self {
            gate: Gate::new(fd)?,
            timer,
            shared,
        })
    }

    fn turn(&mut self) {
        let turned = lock(&self.shared.engine).turn(&self.shared);
        let set = turned.and_then(|(interest, more)| {
            if more {
                self.shared.wake();
            }
            Ok(self.gate.set(interest)?)
        });
        if let Err(error) = set {
            self.link_down(&error);
        }
    }

    /// The network is of no use any more: what is sent from now on is lost.
    fn link_down(&mut self, error: &PortError) {
        if let Err(error) = self.gate.set(Interest::default()) {
            log::debug!("e1000: {error}");
        }
        if self.shared.take_link_down() {
            let engine = lock(&self.shared.engine);
            let name = engine.port.name();
            log::warn!("network {name}: {error}; its link is down from now on");
            drop(engine);
            self.shared.wake();
        }
    }
}

impl Work for CardWork {
    fn sources(&self) -> Vec<(RawFd, u32)> {
        vec![
            (self.shared.wake_evt.as_raw_fd(), WAKE),
            (self.gate.fd(), PORT_READY),
            (self.timer, TIMER),
        ]
    }

    fn on_ready(&mut self, token: u32) {
        match token {
            TIMER => lock(&self.shared.registers).interrupts.expired(),
            WAKE => {
                // Empty if it was woken for what it has just done.
                let _ = self.shared.wake_evt.read();
                self.turn();
            }
            _ => self.turn(),
        }
    }

    fn on_stop(&mut self) {
        // What was accepted goes out, as far as the other end takes it now; the rest is kept.
        let _ = lock(&self.shared.engine).port.flush();
    }
}
