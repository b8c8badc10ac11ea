//! [`Peer`]: the other end of each network card, inside this process: it echoes frames, takes
//! streams of them and sends others (`abi::peer`), and the same of TCP (`abi::peer_tcp`), whose
//! frames it wants no smaller nor summed up: it does what a card does that hands such frames on. It
//! sends them so, too, to a driver that takes them.
//!
//! It has no thread: what a card sends is looked at there and then, and what there is to answer is
//! made when the card takes it ([`answer`]). A frame that is no message for it is ignored.

mod answer;

use abi::net::FRAME_BYTES;
use abi::peer::{ADDRESS, HEADER_BYTES, Header, Opcode};
use abi::peer_tcp::{self, Damaged, Segment, Sum};
use answer::{Answer, Load};
use devices::net::MAX_FRAME_BYTES;
use devices::net::backend::{
    Backend, Port, PortError, Received, Scattered, SharedPort, Transmitted,
};
use devices::virtio::net::Header as Offloads;
use devices::virtio::net::spec::{
    F_CSUM, F_GUEST_CSUM, F_GUEST_TSO4, F_HOST_TSO4, GSO_NONE, GSO_TCPV4, HDR_NEEDS_CSUM,
};
use devices::virtio::ring::{read_front, total_bytes};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex, PoisonError};
use vmm_sys_util::eventfd::EventFd;

/// Answers that are kept until the card takes them; further ones are lost, as frames may be.
const MOST_ANSWERS: usize = 1024;

/// The network.
pub(super) struct Peer {
    /// What comes by one has its answers there, and nothing to do with the others.
    own: Vec<Arc<Mutex<PeerPort>>>,
    /// The same.
    ports: Vec<SharedPort>,
}

impl Peer {
    /// One with so many ports.
    pub(super) fn new(ports: u16) -> io::Result<Self> {
        let new = |_| Ok(Arc::new(Mutex::new(PeerPort::new()?)));
        let own: Vec<_> = (0..ports).map(new).collect::<io::Result<_>>()?;
        let ports = own.iter().map(|port| port.clone() as SharedPort).collect();
        Ok(Self { own, ports })
    }
}

impl Backend for Peer {
    fn name(&self) -> &str {
        "peer"
    }

    fn offloads(&self) -> u64 {
        F_CSUM | F_HOST_TSO4 | F_GUEST_CSUM | F_GUEST_TSO4
    }

    fn ports(&self) -> &[SharedPort] {
        &self.ports
    }

    fn set_guest_offloads(&self, offloads: u64) -> io::Result<()> {
        for port in &self.own {
            let mut port = port.lock().unwrap_or_else(PoisonError::into_inner);
            port.offloads = offloads;
        }
        Ok(())
    }
}

/// What has come of a stream.
#[derive(Default)]
struct Stream {
    /// Number of the frame that is to come next.
    next: u32,
    good: u32,
    bad: u32,
}

struct PeerPort {
    /// Readable while there are answers; always writable.
    evt: EventFd,
    answers: VecDeque<Answer>,
    stream: Stream,
    /// Those that the driver takes of what comes.
    offloads: u64,
    /// The frame that is looked at, or made.
    frame: Vec<u8>,
}

impl PeerPort {
    fn new() -> io::Result<Self> {
        Ok(Self {
            evt: EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?,
            answers: VecDeque::new(),
            stream: Stream::default(),
            offloads: 0,
            frame: vec![0; MAX_FRAME_BYTES],
        })
    }

    /// Looks at the first `bytes` of the frame that has come.
    fn take(&mut self, offloads: &Offloads, bytes: usize) -> io::Result<()> {
        let frame = &self.frame[..bytes];
        let sum = match offloads.flags & HDR_NEEDS_CSUM {
            0 => Sum::Whole,
            _ => Sum::LeftOpen,
        };
        if let Some(segment) = Segment::read(frame, ADDRESS, sum) {
            self.stream.note_segment(segment, offloads, bytes);
            return Ok(());
        }
        if !FRAME_BYTES.contains(&bytes) || *offloads != Offloads::default() {
            return Ok(());
        }
        let header = Header::read(frame).filter(|header| header.destination == ADDRESS);
        let Some(header) = header else { return Ok(()) };
        if !header.is_whole(frame) {
            self.stream.bad = self.stream.bad.saturating_add(1);
            return Ok(());
        }
        let bytes_asked = usize::try_from(header.argument).unwrap_or(usize::MAX);
        match header.opcode {
            Opcode::Echo => self.say(&header, Opcode::Echoed, bytes, 1),
            Opcode::Sink => {
                let sequence = header.sequence;
                self.stream.note(sequence, sequence.wrapping_add(1));
                Ok(())
            }
            Opcode::Report => self.say(&header, Opcode::Reported, bytes, 1),
            Opcode::Source if FRAME_BYTES.contains(&bytes_asked) => {
                let bytes = bytes_asked.max(HEADER_BYTES);
                self.say(&header, Opcode::Data, bytes, header.count)
            }
            Opcode::Stream if (1..=peer_tcp::MOST_BYTES).contains(&bytes_asked) => {
                let segment = Segment {
                    destination: header.source,
                    source: ADDRESS,
                    sequence: header.sequence,
                };
                self.answer(Load::pieces(segment, bytes_asked), header.count)
            }
            Opcode::Source | Opcode::Stream | Opcode::Echoed | Opcode::Reported | Opcode::Data => {
                Ok(())
            }
        }
    }

    /// Answers with so many messages.
    fn say(&mut self, to: &Header, opcode: Opcode, bytes: usize, left: u32) -> io::Result<()> {
        let (count, argument) = match opcode {
            Opcode::Reported => {
                let stream = std::mem::take(&mut self.stream);
                (stream.good, stream.bad)
            }
            _ => (0, 0),
        };
        let header = Header {
            destination: to.source,
            source: ADDRESS,
            opcode,
            sequence: to.sequence,
            count,
            argument,
        };
        self.answer(Load::Messages { header, bytes }, left)
    }

    fn answer(&mut self, load: Load, left: u32) -> io::Result<()> {
        if left == 0 || self.answers.len() == MOST_ANSWERS {
            return Ok(());
        }
        self.answers.push_back(Answer { load, left });
        if self.answers.len() == 1 {
            self.evt.write(1)?;
        }
        Ok(())
    }

    /// Makes the next frame; what is left to be done to it, and its length.
    fn make(&mut self) -> Option<(Offloads, usize)> {
        let answer = self.answers.front_mut()?;
        let made = answer.make(self.offloads, &mut self.frame);
        if answer.left == 0 {
            self.answers.pop_front();
        }
        Some(made)
    }
}

impl Stream {
    /// A frame of TCP has come, and is to be summed up and cut as `offloads` say.
    fn note_segment(
        &mut self,
        segment: Result<Segment, Damaged>,
        offloads: &Offloads,
        bytes: usize,
    ) {
        match segment {
            Ok(Segment { sequence, .. }) if can_be_cut(offloads, bytes) => {
                // No frame has more.
                let payload = (bytes - peer_tcp::HEADER_BYTES) as u32;
                self.note(sequence, sequence.wrapping_add(payload));
            }
            _ => self.bad = self.bad.saturating_add(1),
        }
    }

    /// What begins with number `sequence` has come, and is whole; number `next` follows it.
    fn note(&mut self, sequence: u32, next: u32) {
        let tally = match sequence == self.next {
            true => &mut self.good,
            false => &mut self.bad,
        };
        *tally = tally.saturating_add(1);
        self.next = next;
    }
}

/// Whether a card could make frames of the wire of a frame of TCP.
fn can_be_cut(offloads: &Offloads, bytes: usize) -> bool {
    let open = (
        usize::from(offloads.csum_start),
        usize::from(offloads.csum_offset),
    );
    let at_its_place = open == (peer_tcp::TCP, peer_tcp::CHECKSUM);
    let headers = peer_tcp::HEADER_BYTES;
    match (offloads.flags & HDR_NEEDS_CSUM, offloads.gso_type) {
        (0, GSO_NONE) => FRAME_BYTES.contains(&bytes),
        (HDR_NEEDS_CSUM, GSO_NONE) => at_its_place && FRAME_BYTES.contains(&bytes),
        (HDR_NEEDS_CSUM, GSO_TCPV4) => {
            let segment = 1..=peer_tcp::SEGMENT_BYTES;
            at_its_place
                && usize::from(offloads.hdr_len) == headers
                && segment.contains(&usize::from(offloads.gso_size))
        }
        _ => false,
    }
}

impl Port for PeerPort {
    fn fd(&self) -> RawFd {
        self.evt.as_raw_fd()
    }

    fn receive(&mut self, space: Scattered, overflow: &mut [u8]) -> Result<Received, PortError> {
        let Some((header, bytes)) = self.make() else {
            // Empty if nothing was announced.
            let _ = self.evt.read();
            return Ok(Received::Nothing);
        };
        space.deliver(&self.frame[..bytes], overflow)?;
        Ok(Received::Frame { header, bytes })
    }

    fn transmit(&mut self, header: Offloads, frame: Scattered) -> Result<Transmitted, PortError> {
        let bytes = usize::try_from(total_bytes(frame.buffers)).unwrap_or(usize::MAX);
        if let Some(copy) = self.frame.get_mut(..bytes) {
            if !read_front(frame.memory, frame.buffers, copy) {
                return Err(io::Error::other("guest memory cannot be read").into());
            }
            self.take(&header, bytes)?;
        }
        Ok(Transmitted::Done)
    }

    fn flush(&mut self) -> Result<bool, PortError> {
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
