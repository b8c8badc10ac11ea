//! Frames from the guest.

use super::*;
use crate::net::MAX_FRAME_BYTES;
use crate::virtio::F_EVENT_IDX;
use crate::virtio::testing::MEMORY_BYTES;

#[test]
fn a_frame_reaches_the_other_end_however_it_is_cut() {
    let (mut guest, mut peer) = guest();
    let sent = frame(100, 1);
    let whole = put(&guest, Header::default(), &sent);
    let cut = |at: u64, len| Piece::readable(whole.gpa + at, len);
    for pieces in [
        &[whole][..],
        &[cut(0, 12), cut(12, 100)],
        &[cut(0, 5), cut(5, 0), cut(5, 8), cut(13, 1), cut(14, 98)],
    ] {
        assert_eq!(guest.exchange(TX, pieces), 0);
        assert_eq!(peer.take(), sent);
    }
    assert_eq!(refused(&guest), 0);
}

#[test]
fn many_frames_pass_a_slow_socket_in_order() {
    for features in [0, F_EVENT_IDX] {
        let (mut guest, mut peer) = guest_with(features);
        const FRAMES: usize = 400;
        let receiver = std::thread::spawn(move || {
            for seed in 0..FRAMES {
                if seed % 100 == 0 {
                    std::thread::sleep(Duration::from_millis(20));
                }
                assert!(peer.take() == frame(14 + seed * 100, seed), "frame {seed}");
            }
            peer
        });
        (0..FRAMES).for_each(|seed| send(&mut guest, &frame(14 + seed * 100, seed)));
        receiver.join().unwrap();
    }
}

#[test]
fn a_full_socket_holds_the_guest_up_and_reset_does_not_cut_a_frame() {
    let (mut guest, mut peer) = guest();
    let sent = frame(60_000, 1);
    let piece = put(&guest, Header::default(), &sent);
    for _ in 0..10 {
        guest.offer(TX, &[piece]);
    }
    guest.notify(TX);
    let mut accepted = 0;
    wait_for("the socket to be full", || {
        std::thread::sleep(Duration::from_millis(50));
        guest.used_index(TX) > 0
    });
    while u16::try_from(accepted).unwrap() != guest.used_index(TX) {
        accepted = usize::from(guest.used_index(TX));
        std::thread::sleep(Duration::from_millis(50));
    }
    guest.write(Register::Status, 0);
    // A busy host may have let more be taken only now.
    accepted = usize::from(guest.used_index(TX));
    assert!(accepted < 10, "no more than is kept was taken");
    guest.start_simply();
    // What was taken comes, and then what is sent now.
    for _ in 0..accepted {
        assert!(peer.take() == sent);
    }
    send(&mut guest, &frame(60, 2));
    assert_eq!(peer.take(), frame(60, 2));
}

#[test]
fn what_is_no_frame_is_dropped_and_counted() {
    let (mut guest, mut peer) = guest();
    let longest = MAX_FRAME_BYTES as u32 + HEADER as u32;
    for pieces in [
        &[Piece::readable(OUT, 0)][..],
        &[Piece::readable(OUT, 11)],
        &[Piece::readable(OUT, 12)],
        &[Piece::readable(OUT, 25)],
        &[Piece::readable(OUT, longest + 1)],
        &[Piece::readable(OUT, 70_012)],
        &[Piece::writable(OUT, 100)],
        &[Piece::readable(MEMORY_BYTES - 20, 100)],
        &[Piece::readable(OUT, 12), Piece::readable(1 << 40, 100)],
    ] {
        assert_eq!(guest.exchange(TX, pieces), 0);
    }
    assert_eq!(refused(&guest), 9);
    assert_eq!(guest.exchange(TX, &[Piece::readable(OUT, longest)]), 0);
    assert_eq!(peer.take().len(), MAX_FRAME_BYTES, "the first to come");
}

#[test]
fn a_header_that_asks_for_what_was_not_agreed_on_sends_nothing() {
    let (mut guest, mut peer) = guest();
    let sum = Header {
        flags: spec::HDR_NEEDS_CSUM,
        ..Header::default()
    };
    let segments = Header {
        gso_type: spec::GSO_TCPV4,
        gso_size: 500,
        ..sum
    };
    for header in [sum, segments] {
        let piece = put(&guest, header, &frame(2000, 1));
        assert_eq!(guest.exchange(TX, &[piece]), 0);
    }
    assert_eq!(refused(&guest), 2);
    send(&mut guest, &frame(60, 2));
    assert_eq!(peer.take(), frame(60, 2));
}

/// passt's of 2023: see `stream`.
#[test]
fn a_reader_that_takes_the_rest_of_a_frame_in_one_piece_keeps_its_place() {
    const FRAMES: usize = 300;
    let (mut guest, mut peer) = guest();
    let reader = std::thread::spawn(move || {
        let mut bytes = vec![0; 1 << 20];
        let (mut got, mut seed) = (0, 0);
        while seed < FRAMES {
            got += peer.0.read(&mut bytes[got..]).unwrap();
            let mut at = 0;
            while at < got {
                let length = bytes[at..at + 4].try_into().expect("a whole length");
                let end = at + 4 + u32::from_be_bytes(length) as usize;
                if end > got {
                    got += peer.0.read(&mut bytes[got..end]).unwrap();
                    assert_eq!(got, end, "the rest of frame {seed}");
                }
                assert!(
                    bytes[at + 4..end] == frame(end - at - 4, seed),
                    "frame {seed}"
                );
                at = end;
                seed += 1;
            }
            got = 0;
        }
    });
    let bytes = |seed| 60 + 217 * seed;
    (0..FRAMES).for_each(|seed| send(&mut guest, &frame(bytes(seed), seed)));
    reader.join().unwrap();
}
