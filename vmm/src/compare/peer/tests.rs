//! The peer as a card sees it.

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
