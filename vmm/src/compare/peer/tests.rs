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
        let port = FramePort::new(Box::new(Peer::new(1).unwrap())).unwrap();
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
    let destination = ADDRESS;
    let segment = Segment {
        destination,
        source,
        sequence,
    };
    segment.write(&mut frame, sum);
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
    let mut port = peer.own[0].lock().unwrap();
    assert_eq!(port.transmit(offloads, frame).unwrap(), Transmitted::Done);
}

#[test]
fn a_stream_of_tcp_comes_cut_or_whole_and_what_no_card_could_cut_is_bad() {
    let peer = Peer::new(1).unwrap();
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
fn what_comes_by_a_port_is_answered_there_alone() {
    let peer = Peer::new(3).unwrap();
    assert_eq!(peer.ports().len(), 3);
    let take = |port: usize, header: &Header| {
        let mut port = peer.own[port].lock().unwrap();
        header.write(&mut port.frame[..60]);
        port.take(&Offloads::default(), 60).unwrap();
    };
    let made = |port: usize| {
        let mut port = peer.own[port].lock().unwrap();
        let (_, bytes) = port.make()?;
        let header = Header::read(&port.frame[..bytes]).unwrap();
        Some((header.opcode, header.sequence, header.count))
    };
    take(1, &message(Opcode::Echo, 5));
    // Each is the first of a stream.
    take(1, &message(Opcode::Sink, 0));
    take(2, &message(Opcode::Sink, 0));
    take(2, &message(Opcode::Report, 9));
    assert_eq!(made(0), None);
    assert_eq!(made(1), Some((Opcode::Echoed, 5, 0)));
    assert_eq!(made(1), None);
    assert_eq!(made(2), Some((Opcode::Reported, 9, 1)));
}

/// The frames of a stream of two pieces of 3000 bytes, to a driver that takes those offloads: what is
/// left to be done to each, and where in the stream and how long it is.
fn stream(offloads: u64) -> Vec<(Offloads, u32, usize)> {
    let peer = Peer::new(1).unwrap();
    peer.set_guest_offloads(offloads).unwrap();
    let mut port = peer.own[0].lock().unwrap();
    let header = Header {
        count: 2,
        argument: 3000,
        ..message(Opcode::Stream, u32::MAX - 4000)
    };
    header.write(&mut port.frame[..60]);
    port.take(&Offloads::default(), 60).unwrap();
    let mut frames = Vec::new();
    while let Some((offloads, bytes)) = port.make() {
        let sum = match offloads.flags {
            0 => Sum::Whole,
            _ => Sum::LeftOpen,
        };
        let segment = Segment::read(&port.frame[..bytes], OWN, sum);
        let segment = segment.unwrap().unwrap();
        assert_eq!(segment.source, ADDRESS);
        frames.push((offloads, segment.sequence, bytes - peer_tcp::HEADER_BYTES));
    }
    frames
}

#[test]
fn a_stream_of_tcp_is_sent_as_its_taker_takes_it() {
    let first = u32::MAX - 4000;
    let second = first.wrapping_add(3000);
    let cut: Vec<_> = [first, second]
        .into_iter()
        .flat_map(|at| {
            [(0, 1460), (1460, 1460), (2920, 80)]
                .map(|(n, len): (u32, usize)| (at.wrapping_add(n), len))
        })
        .collect();
    let places = |frames: &[(Offloads, u32, usize)]| -> Vec<_> {
        let places = frames.iter().map(|(_, sequence, len)| (*sequence, *len));
        places.collect()
    };
    // A driver that takes uncut frames takes open sums (5.1.3.1); alone it says nothing.
    for offloads in [0, F_GUEST_TSO4] {
        let frames = stream(offloads);
        assert_eq!(places(&frames), cut);
        let plain = |frame: &(Offloads, u32, usize)| frame.0 == Offloads::default();
        assert!(frames.iter().all(plain));
    }
    let open = Offloads {
        flags: HDR_NEEDS_CSUM,
        csum_start: 34,
        csum_offset: 16,
        ..Offloads::default()
    };
    let frames = stream(F_GUEST_CSUM);
    assert_eq!(places(&frames), cut);
    assert!(frames.iter().all(|frame| frame.0 == open));
    let whole = Offloads {
        gso_type: GSO_TCPV4,
        hdr_len: 54,
        gso_size: 1460,
        ..open
    };
    let frames = stream(F_GUEST_CSUM | F_GUEST_TSO4);
    assert_eq!(frames, [(whole, first, 3000), (whole, second, 3000)]);
}

#[test]
fn streams_of_tcp_that_no_packet_can_carry_are_not_sent() {
    let mut card = Card::new();
    for (count, argument) in [(0, 3000), (9, 0), (9, 65_496), (9, u32::MAX)] {
        let header = Header {
            count,
            argument,
            ..message(Opcode::Stream, 0)
        };
        card.send(&header, 60);
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
