//! [`Peer`]: the other end of each network card, inside this process: it echoes frames, takes
//! streams of them and sends others (`abi::peer`), and takes streams of TCP (`abi::peer_tcp`), whose
//! frames it wants no smaller nor summed up: it does what a card does that hands such frames on.
//!
//! It has no thread: what a card sends is looked at there and then, and what there is to answer is
//! made when the card takes it. A frame that is no message for it is ignored.

use abi::net::FRAME_BYTES;
use abi::peer::{ADDRESS, HEADER_BYTES, Header, Opcode};
use abi::peer_tcp::{self, Damaged, Segment, Sum};
use devices::net::MAX_FRAME_BYTES;
use devices::net::backend::{
    Backend, Port, PortError, Received, Scattered, SharedPort, Transmitted,
};
use devices::virtio::net::Header as Offloads;
use devices::virtio::net::spec::{F_CSUM, F_HOST_TSO4, GSO_NONE, GSO_TCPV4, HDR_NEEDS_CSUM};
use devices::virtio::ring::{read_front, total_bytes};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex};
use vmm_sys_util::eventfd::EventFd;

/// Answers that are kept until the card takes them; further ones are lost, as frames may be.
const MOST_ANSWERS: usize = 1024;

/// The network.
pub(super) struct Peer {
    port: SharedPort,
}

impl Peer {
    pub(super) fn new() -> io::Result<Self> {
        let port = PeerPort::new()?;
        Ok(Self {
            port: Arc::new(Mutex::new(port)),
        })
    }
}

impl Backend for Peer {
    fn name(&self) -> &str {
        "peer"
    }

    fn offloads(&self) -> u64 {
        F_CSUM | F_HOST_TSO4
    }

    fn ports(&self) -> &[SharedPort] {
        std::slice::from_ref(&self.port)
    }
}

/// Frames that are still to be sent.
struct Answer {
    /// Of the next one.
    header: Header,
    bytes: usize,
    /// How many; at least one.
    left: u32,
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
    /// The frame that is looked at, or made.
    frame: Vec<u8>,
}

impl PeerPort {
    fn new() -> io::Result<Self> {
        Ok(Self {
            evt: EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)?,
            answers: VecDeque::new(),
            stream: Stream::default(),
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
        if let Some(segment) = Segment::read(frame, sum) {
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
        let argument_bytes = usize::try_from(header.argument).unwrap_or(usize::MAX);
        match header.opcode {
            Opcode::Echo => self.answer(&header, Opcode::Echoed, bytes, 1),
            Opcode::Sink => {
                let sequence = header.sequence;
                self.stream.note(sequence, sequence.wrapping_add(1));
                Ok(())
            }
            Opcode::Report => self.answer(&header, Opcode::Reported, bytes, 1),
            Opcode::Source if FRAME_BYTES.contains(&argument_bytes) => {
                let bytes = argument_bytes.max(HEADER_BYTES);
                self.answer(&header, Opcode::Data, bytes, header.count)
            }
            Opcode::Source | Opcode::Echoed | Opcode::Reported | Opcode::Data => Ok(()),
        }
    }

    fn answer(&mut self, to: &Header, opcode: Opcode, bytes: usize, left: u32) -> io::Result<()> {
        let (count, argument) = match opcode {
            Opcode::Reported => {
                let stream = std::mem::take(&mut self.stream);
                (stream.good, stream.bad)
            }
            _ => (0, 0),
        };
        if left == 0 || self.answers.len() == MOST_ANSWERS {
            return Ok(());
        }
        let header = Header {
            destination: to.source,
            source: ADDRESS,
            opcode,
            sequence: to.sequence,
            count,
            argument,
        };
        self.answers.push_back(Answer {
            header,
            bytes,
            left,
        });
        if self.answers.len() == 1 {
            self.evt.write(1)?;
        }
        Ok(())
    }

    /// Makes the next frame; its length.
    fn make(&mut self) -> Option<usize> {
        let answer = self.answers.front_mut()?;
        let bytes = answer.bytes;
        answer.header.write(&mut self.frame[..bytes]);
        answer.header.sequence = answer.header.sequence.wrapping_add(1);
        answer.left -= 1;
        if answer.left == 0 {
            self.answers.pop_front();
        }
        Some(bytes)
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
        let Some(bytes) = self.make() else {
            // Empty if nothing was announced.
            let _ = self.evt.read();
            return Ok(Received::Nothing);
        };
        space.deliver(&self.frame[..bytes], overflow)?;
        let header = Offloads::default();
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
mod tests {
    use super::*;
    use devices::net::MIN_FRAME_BYTES;
    use devices::net::frame_port::FramePort;
    use devices::virtio::ring::Buffer;
    use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};
    use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

    const OWN: [u8; 6] = [2, 0, 0, 0, 0, 9];

    /// A card on a peer.
    struct Card {
        port: FramePort,
        frame: Vec<u8>,
    }

    impl Card {
        fn new() -> Self {
            let port = FramePort::new(Box::new(Peer::new().unwrap())).unwrap();
            let frame = vec![0; MAX_FRAME_BYTES];
            Self { port, frame }
        }

        fn send(&mut self, header: &Header, bytes: usize) {
            let mut frame = vec![0; bytes];
            header.write(&mut frame);
            self.send_frame(&frame);
        }

        fn send_frame(&mut self, frame: &[u8]) {
            let sent = self.port.transmit(frame).unwrap();
            assert_eq!(sent, Transmitted::Done);
        }

        /// The next frame's header and length; it is whole.
        fn receive(&mut self) -> Option<(Header, usize)> {
            match self.port.receive(&mut self.frame).unwrap() {
                Received::Frame { bytes, .. } => {
                    let frame = &self.frame[..bytes];
                    let header = Header::read(frame).unwrap();
                    assert!(header.is_whole(frame));
                    assert_eq!((header.destination, header.source), (OWN, ADDRESS));
                    Some((header, bytes))
                }
                Received::Nothing => None,
                Received::Dropped => panic!("a frame that is none"),
            }
        }

        fn report(&mut self) -> (u32, u32) {
            self.send(&message(Opcode::Report, 77), 60);
            let (header, bytes) = self.receive().unwrap();
            let what = (header.opcode, header.sequence, bytes);
            assert_eq!(what, (Opcode::Reported, 77, 60));
            (header.count, header.argument)
        }
    }

    fn message(opcode: Opcode, sequence: u32) -> Header {
        Header {
            destination: ADDRESS,
            source: OWN,
            opcode,
            sequence,
            count: 0,
            argument: 0,
        }
    }

    fn is_readable(card: &Card) -> bool {
        let epoll = Epoll::new().unwrap();
        let event = EpollEvent::new(EventSet::IN, 0);
        epoll
            .ctl(ControlOperation::Add, card.port.fd(), event)
            .unwrap();
        epoll.wait(0, &mut [EpollEvent::default()]).unwrap() == 1
    }

    #[test]
    fn frames_are_echoed_as_long_as_they_came() {
        let mut card = Card::new();
        assert!(card.receive().is_none());
        for (sequence, bytes) in [(0, 60), (1, 64), (u32::MAX, 1514)] {
            card.send(&message(Opcode::Echo, sequence), bytes);
            let (header, echoed) = card.receive().unwrap();
            let what = (header.opcode, header.sequence, echoed);
            assert_eq!(what, (Opcode::Echoed, sequence, bytes));
            assert!(card.receive().is_none());
        }
    }

    #[test]
    fn a_stream_is_counted_with_what_is_lost_doubled_and_damaged() {
        let mut card = Card::new();
        let sent = |card: &mut Card, sequences: &[u32]| {
            for sequence in sequences {
                card.send(&message(Opcode::Sink, *sequence), 1514);
            }
        };
        sent(&mut card, &[0, 1, 2, 3]);
        assert_eq!(card.report(), (4, 0));
        sent(&mut card, &[0, 1, 3, 4]);
        assert_eq!(card.report(), (3, 1), "one was lost");
        sent(&mut card, &[0, 1, 1, 2]);
        assert_eq!(card.report(), (3, 1), "one came twice");
        sent(&mut card, &[1]);
        assert_eq!(card.report(), (0, 1), "every stream starts anew");
        let mut damaged = vec![0; 1514];
        message(Opcode::Sink, 0).write(&mut damaged);
        damaged[1513] ^= 1;
        card.send_frame(&damaged);
        assert_eq!(card.report(), (0, 1));
        assert_eq!(card.report(), (0, 0));
    }

    /// Sends the start of a piece of a stream as a card does that knows offloads.
    fn send_tcp(peer: &Peer, sequence: u32, bytes: usize, offloads: Offloads) {
        let mut frame = vec![0; peer_tcp::HEADER_BYTES + bytes];
        let sum = match offloads.flags {
            0 => Sum::Whole,
            _ => Sum::LeftOpen,
        };
        let source = OWN;
        Segment { source, sequence }.write(&mut frame, sum);
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), 1 << 17)]).unwrap();
        memory.write_slice(&frame, GuestAddress(0)).unwrap();
        let buffers = [Buffer {
            gpa: GuestAddress(0),
            len: frame.len() as u32,
        }];
        let frame = Scattered {
            memory: &Arc::new(memory),
            buffers: &buffers,
        };
        let mut port = peer.port.lock().unwrap();
        assert_eq!(port.transmit(offloads, frame).unwrap(), Transmitted::Done);
    }

    #[test]
    fn a_stream_of_tcp_comes_cut_or_whole_and_what_no_card_could_cut_is_bad() {
        let peer = Peer::new().unwrap();
        let whole = Offloads {
            flags: HDR_NEEDS_CSUM,
            gso_type: GSO_TCPV4,
            hdr_len: 54,
            gso_size: 1460,
            csum_start: 34,
            csum_offset: 16,
        };
        let cut = Offloads::default();
        send_tcp(&peer, 0, 1460, cut);
        send_tcp(&peer, 1460, 64_240, whole);
        send_tcp(&peer, 65_700, 3, cut);
        let open = Offloads {
            gso_type: GSO_NONE,
            ..whole
        };
        send_tcp(&peer, 65_703, 1460, open);
        let mut next = 65_703 + 1460;
        for (bytes, offloads) in [
            (1461, cut),
            (1461, open),
            (
                3000,
                Offloads {
                    gso_size: 0,
                    ..whole
                },
            ),
            (
                3000,
                Offloads {
                    gso_size: 1461,
                    ..whole
                },
            ),
            (
                3000,
                Offloads {
                    hdr_len: 40,
                    ..whole
                },
            ),
            (
                3000,
                Offloads {
                    csum_start: 14,
                    ..whole
                },
            ),
            (
                3000,
                Offloads {
                    csum_offset: 6,
                    ..whole
                },
            ),
            (
                3000,
                Offloads {
                    gso_type: 4,
                    ..whole
                },
            ),
        ] {
            send_tcp(&peer, next, bytes, offloads);
        }
        next += 1;
        send_tcp(&peer, next, 100, cut);
        let port = FramePort::new(Box::new(peer)).unwrap();
        let frame = vec![0; MAX_FRAME_BYTES];
        let mut card = Card { port, frame };
        assert_eq!(card.report(), (4, 8 + 1), "and one was lost");
    }

    #[test]
    fn a_source_sends_what_it_is_asked_for() {
        let mut card = Card::new();
        let ask = |sequence, count, argument| Header {
            count,
            argument,
            ..message(Opcode::Source, sequence)
        };
        card.send(&ask(5, 3, 1514), 60);
        card.send(&ask(8, 1, 100), 60);
        for (sequence, bytes) in [(5, 1514), (6, 1514), (7, 1514), (8, 100)] {
            let (header, came) = card.receive().unwrap();
            let what = (header.opcode, header.sequence, came);
            assert_eq!(what, (Opcode::Data, sequence, bytes));
        }
        for nonsense in [
            ask(0, 0, 1514),
            ask(0, 9, 1515),
            ask(0, 9, 13),
            ask(0, 9, u32::MAX),
        ] {
            card.send(&nonsense, 60);
        }
        assert!(card.receive().is_none());
    }

    #[test]
    fn what_is_no_message_for_it_is_ignored() {
        let mut card = Card::new();
        let mut echo = vec![0; 60];
        message(Opcode::Echo, 1).write(&mut echo);
        for at in [0, 12, 13, 15] {
            let mut other = echo.clone();
            other[at] ^= 1;
            card.send_frame(&other);
        }
        card.send_frame(&echo[..MIN_FRAME_BYTES]);
        card.send_frame(&vec![0xff; MAX_FRAME_BYTES]);
        for opcode in [Opcode::Echoed, Opcode::Reported, Opcode::Data] {
            card.send(&message(opcode, 1), 60);
        }
        assert!(card.receive().is_none());
        assert_eq!(card.report(), (0, 0));
    }

    #[test]
    fn answers_that_nobody_takes_are_bounded() {
        let mut card = Card::new();
        for sequence in 0..MOST_ANSWERS as u32 + 9 {
            card.send(&message(Opcode::Echo, sequence), 60);
        }
        let came = std::iter::from_fn(|| card.receive()).count();
        assert_eq!(came, MOST_ANSWERS);
    }

    #[test]
    fn its_descriptor_says_whether_there_is_a_frame() {
        let mut card = Card::new();
        assert!(!is_readable(&card));
        card.send(&message(Opcode::Echo, 1), 60);
        assert!(is_readable(&card));
        assert!(card.receive().is_some());
        assert!(card.receive().is_none());
        assert!(!is_readable(&card));
    }
}
