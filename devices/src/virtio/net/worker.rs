//! The thread of one queue pair: frames both ways between its queues and its port. The first
//! pair's also carries out the driver's commands.

use super::Shared;
use super::control::Control;
use super::receive::{self, Receiver};
use super::transmit::{self, Transmitter};
use crate::net::backend::{PortError, SharedPort};
use crate::net::gate::{Gate, Interest};
use crate::virtio::Interrupt;
use crate::virtio::worker::Work;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, PoisonError};

const RECEIVE_READY: u32 = 0;
const TRANSMIT_READY: u32 = 1;
const PORT_READY: u32 = 2;
const WAKE: u32 = 3;
const CONTROL_READY: u32 = 4;

pub(super) struct PairWork {
    pair: u16,
    receiver: Receiver,
    transmitter: Transmitter,
    control: Option<Control>,
    port: SharedPort,
    gate: Gate,
    /// What the gate is to let through.
    interest: Interest,
    shared: Arc<Shared>,
    interrupt: Interrupt,
}

impl PairWork {
    pub(super) fn new(
        pair: u16,
        receiver: Receiver,
        transmitter: Transmitter,
        control: Option<Control>,
        shared: Arc<Shared>,
        interrupt: Interrupt,
    ) -> io::Result<Self> {
        let port = Arc::clone(&shared.backend.ports()[usize::from(pair)]);
        let fd = port.lock().unwrap_or_else(PoisonError::into_inner).fd();
        // Frames may have come, or have been left to send, while no worker was there.
        shared.wake(pair);
        Ok(Self {
            pair,
            receiver,
            transmitter,
            control,
            port,
            gate: Gate::new(fd)?,
            interest: Interest::default(),
            shared,
            interrupt,
        })
    }

    fn receive(&mut self) {
        let shared = Arc::clone(&self.shared);
        let state = shared.state();
        if self.pair >= state.pairs || !shared.link_is_up() {
            self.interest = Interest::default();
            return;
        }
        let mut port = self.port.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = self.receiver.serve(&mut *port, &state);
        drop(port);
        match pause {
            Ok(pause) => {
                self.interest.input = pause == receive::Pause::NoFrame;
                if pause == receive::Pause::Turn {
                    shared.wake(self.pair);
                }
            }
            Err(error) => self.link_down(&error),
        }
    }

    fn transmit(&mut self) {
        let shared = Arc::clone(&self.shared);
        let state = shared.state();
        if self.pair >= state.pairs || !shared.link_is_up() {
            self.interest.output = false;
            return self.transmitter.discard();
        }
        let mut port = self.port.lock().unwrap_or_else(PoisonError::into_inner);
        let pause = self.transmitter.serve(&mut *port);
        drop(port);
        match pause {
            Ok(pause) => self.interest.output = pause == transmit::Pause::Full,
            Err(error) => self.link_down(&error),
        }
    }

    fn link_down(&mut self, error: &PortError) {
        self.interest = Interest::default();
        if self.shared.take_link_down() {
            let name = self.shared.backend.name();
            log::warn!("network {name}: {error}; its link is down from now on");
            self.interrupt.signal_config();
            self.shared.wake_all();
        }
    }
}

impl Work for PairWork {
    fn sources(&self) -> Vec<(RawFd, u32)> {
        let wake = self.shared.wake_evts[usize::from(self.pair)].as_raw_fd();
        let control = self.control.as_ref();
        let control = control.map(|control| (control.doorbell_fd(), CONTROL_READY));
        [
            (self.receiver.doorbell_fd(), RECEIVE_READY),
            (self.transmitter.doorbell_fd(), TRANSMIT_READY),
            (self.gate.fd(), PORT_READY),
            (wake, WAKE),
        ]
        .into_iter()
        .chain(control)
        .collect()
    }

    fn on_ready(&mut self, token: u32) {
        match token {
            RECEIVE_READY => {
                self.receiver.begin();
                self.receive();
            }
            TRANSMIT_READY => {
                self.transmitter.begin();
                self.transmit();
            }
            CONTROL_READY => self.control.iter_mut().for_each(Control::serve),
            PORT_READY => {
                if self.interest.output {
                    self.transmit();
                }
                self.receive();
            }
            _ => {
                self.shared.acknowledge_wake(self.pair);
                self.transmit();
                self.receive();
            }
        }
        if let Err(error) = self.gate.set(self.interest) {
            self.link_down(&error.into());
        }
    }

    fn on_stop(&mut self) {
        // What was accepted goes out, as far as the other end takes it now; the rest is kept.
        let mut port = self.port.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = port.flush();
    }
}
