//! [`Transmitter`]: frames from the transmit queue to a port (virtio 1.3 5.1.6.2).

use super::header::Header;
use super::spec::HEADER_BYTES;
use crate::net::backend::{Port, PortError, Scattered, Transmitted};
use crate::net::{MAX_FRAME_BYTES, MIN_FRAME_BYTES};
use crate::virtio::ring::{Buffer, Chain, Ring, read_front, split_front, total_bytes};
use std::os::fd::RawFd;

/// What the transmitter waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// The driver has to make frames available; it will ring.
    NoFrame,
    /// The port is full.
    Full,
}

pub(super) struct Transmitter {
    ring: Ring,
    features: u64,
    /// Taken from the ring when the port was full.
    stalled: Option<Packet>,
}

struct Packet {
    head: u16,
    header: Header,
    frame: Vec<Buffer>,
}

impl Transmitter {
    pub(super) fn new(ring: Ring, features: u64) -> Self {
        Self {
            ring,
            features,
            stalled: None,
        }
    }

    /// Readable when the driver has rung.
    pub(super) fn doorbell_fd(&self) -> RawFd {
        self.ring.doorbell_fd()
    }

    /// The driver has rung.
    pub(super) fn begin(&mut self) {
        self.ring.begin();
    }

    /// Sends frames until something is missing, at most as many as the ring has.
    pub(super) fn serve(&mut self, port: &mut dyn Port) -> Result<Pause, PortError> {
        let served = self.send(port);
        self.ring.signal();
        match served {
            // While the port is full the driver need not ring.
            Ok(Pause::Full) => {}
            _ if self.ring.end() => self.ring.postpone(),
            _ => {}
        }
        served
    }

    fn send(&mut self, port: &mut dyn Port) -> Result<Pause, PortError> {
        for _ in 0..self.ring.size() {
            let Some(packet) = self.next_packet() else {
                break;
            };
            let Some(packet) = packet else { continue };
            let frame = Scattered {
                memory: self.ring.memory(),
                buffers: &packet.frame,
            };
            match port.transmit(packet.header, frame) {
                Ok(Transmitted::Full) => {
                    self.stalled = Some(packet);
                    return Ok(Pause::Full);
                }
                Ok(Transmitted::Done) => self.ring.push(packet.head, 0),
                Err(error) => {
                    self.ring.push(packet.head, 0);
                    return Err(error);
                }
            }
        }
        Ok(if port.flush()? {
            Pause::NoFrame
        } else {
            Pause::Full
        })
    }

    /// Drops frames: the link is down, or the queue pair is not in use.
    pub(super) fn discard(&mut self) {
        for _ in 0..self.ring.size() {
            match self.next_packet() {
                Some(Some(packet)) => self.ring.push(packet.head, 0),
                Some(None) => {}
                None => break,
            }
        }
        self.ring.signal();
        if self.ring.end() {
            self.ring.postpone();
        }
    }

    /// The next packet, `Some(None)` for a chain that was none and is given back.
    fn next_packet(&mut self) -> Option<Option<Packet>> {
        if let Some(packet) = self.stalled.take() {
            return Some(Some(packet));
        }
        let chain = self.ring.pop()?;
        let (head, defect) = (chain.head, chain.defect);
        let packet = self.parse(chain);
        if packet.is_none() {
            if defect.is_none() {
                self.ring.count_defect();
            }
            self.ring.push(head, 0);
        }
        Some(packet)
    }

    /// What is in a chain, if it makes sense.
    fn parse(&self, mut chain: Chain) -> Option<Packet> {
        if chain.defect.is_some() {
            return None;
        }
        let header_buffers = split_front(&mut chain.readable, HEADER_BYTES as u64)?;
        let mut header = [0; HEADER_BYTES];
        if !read_front(self.ring.memory(), &header_buffers, &mut header) {
            return None;
        }
        let bytes = usize::try_from(total_bytes(&chain.readable)).ok()?;
        if !(MIN_FRAME_BYTES..=MAX_FRAME_BYTES).contains(&bytes) {
            return None;
        }
        let header = Header::from_bytes(header).from_driver(bytes, self.features)?;
        Some(Packet {
            head: chain.head,
            header,
            frame: chain.readable,
        })
    }
}
