//! [`FramePort`]: a network as an emulated card uses it: whole frames in memory of this process,
//! as they are on the wire (without their check sequence), and no offloads.

use super::backend::{Backend, PortError, Received, Scattered, SharedPort, Transmitted};
use super::{MAX_FRAME_BYTES, MIN_FRAME_BYTES};
use crate::virtio::net::Header;
use crate::virtio::ring::Buffer;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, MutexGuard, PoisonError};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// Bytes of the shortest frame on the wire, without its check sequence (IEEE 802.3 3.2.8).
pub const WIRE_MIN_BYTES: usize = 60;
/// A frame to be sent waits at address 0.
const FRAME: GuestAddress = GuestAddress(0);
/// Room for the longest frame, in whole pages.
const BOUNCE_BYTES: usize = MAX_FRAME_BYTES.next_multiple_of(4096);

/// The network, of which one card has the use.
pub struct FramePort {
    backend: Box<dyn Backend>,
    port: SharedPort,
    /// What ports take frames from: a copy of the one that is sent.
    bounce: Arc<GuestMemoryMmap>,
}

impl FramePort {
    /// Takes the first port of `backend`, and no offloads from it.
    pub fn new(backend: Box<dyn Backend>) -> io::Result<Self> {
        backend.set_active_pairs(1)?;
        backend.set_guest_offloads(0)?;
        let first = backend.ports().first().cloned();
        let port = first.ok_or_else(|| io::Error::other("a network without ports"))?;
        let bounce = GuestMemoryMmap::from_ranges(&[(FRAME, BOUNCE_BYTES)]);
        Ok(Self {
            backend,
            port,
            bounce: Arc::new(bounce.map_err(io::Error::other)?),
        })
    }

    fn lock(&self) -> MutexGuard<'_, dyn super::backend::Port + 'static> {
        self.port.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What messages call the network.
    pub fn name(&self) -> &str {
        self.backend.name()
    }

    /// Readable when there is a frame, writable when one can be sent.
    pub fn fd(&self) -> RawFd {
        self.lock().fd()
    }

    /// Takes a frame into `frame`, which has [`MAX_FRAME_BYTES`]. One that is too short for the
    /// wire is filled up with zeroes to [`WIRE_MIN_BYTES`].
    pub fn receive(&mut self, frame: &mut [u8]) -> Result<Received, PortError> {
        let nowhere = Scattered {
            memory: &self.bounce,
            buffers: &[],
        };
        let received = self.lock().receive(nowhere, frame)?;
        Ok(match received {
            Received::Frame { header, bytes } if bytes < WIRE_MIN_BYTES => {
                frame[bytes..WIRE_MIN_BYTES].fill(0);
                let bytes = WIRE_MIN_BYTES;
                Received::Frame { header, bytes }
            }
            received => received,
        })
    }

    /// Sends a frame. One that no network takes, as it is shorter than an Ethernet header or
    /// longer than [`MAX_FRAME_BYTES`], is lost.
    pub fn transmit(&mut self, frame: &[u8]) -> Result<Transmitted, PortError> {
        if !(MIN_FRAME_BYTES..=MAX_FRAME_BYTES).contains(&frame.len()) {
            return Ok(Transmitted::Done);
        }
        let written = self.bounce.write_slice(frame, FRAME);
        written.map_err(io::Error::other)?;
        let buffers = [Buffer {
            gpa: FRAME,
            len: frame.len() as u32,
        }];
        let frame = Scattered {
            memory: &self.bounce,
            buffers: &buffers,
        };
        self.lock().transmit(Header::default(), frame)
    }

    /// Sends on what was accepted and kept; false when there is more of it.
    pub fn flush(&mut self) -> Result<bool, PortError> {
        self.lock().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::stream::Stream;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    fn pair() -> (FramePort, UnixStream) {
        let (near, far) = UnixStream::pair().unwrap();
        let stream = Stream::new("test".to_owned(), near).unwrap();
        (FramePort::new(Box::new(stream)).unwrap(), far)
    }

    #[test]
    fn frames_go_both_ways_and_short_ones_are_filled_up() {
        let (mut port, mut far) = pair();
        let mut frame = vec![0xff; MAX_FRAME_BYTES];
        assert_eq!(port.receive(&mut frame).unwrap(), Received::Nothing);
        for bytes in [14_u32, 60, 1514] {
            far.write_all(&bytes.to_be_bytes()).unwrap();
            far.write_all(&vec![7; bytes as usize]).unwrap();
            let Received::Frame { bytes: got, .. } = port.receive(&mut frame).unwrap() else {
                panic!("no frame of {bytes} bytes");
            };
            let sent = bytes as usize;
            assert_eq!(got, sent.max(WIRE_MIN_BYTES));
            assert!(frame[..sent].iter().all(|byte| *byte == 7));
            assert!(frame[sent..got].iter().all(|byte| *byte == 0));
        }
        assert_eq!(port.transmit(&[9; 1514]).unwrap(), Transmitted::Done);
        let mut sent = [0; 4 + 1514];
        far.read_exact(&mut sent).unwrap();
        assert_eq!(
            (&sent[..4], &sent[4..]),
            (&[0, 0, 5, 0xea][..], &[9; 1514][..])
        );
    }

    #[test]
    fn frames_that_no_network_takes_are_lost() {
        let (mut port, mut far) = pair();
        for bytes in [0, 13, MAX_FRAME_BYTES + 1] {
            let sent = port.transmit(&vec![1; bytes]).unwrap();
            assert_eq!(sent, Transmitted::Done);
        }
        assert_eq!(port.transmit(&[2; 14]).unwrap(), Transmitted::Done);
        let mut sent = [0; 18];
        far.read_exact(&mut sent).unwrap();
        assert_eq!(sent[..5], [0, 0, 0, 14, 2]);
    }
}
