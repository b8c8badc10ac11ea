//! Frames to the guest.

use super::*;
use crate::net::MAX_FRAME_BYTES;
use crate::net::gate::{Gate, Interest};
use crate::virtio::testing::{MEMORY_BYTES, QUEUE_SIZE};

fn space(at: u64, bytes: u32) -> Piece {
    Piece::writable(BUFFERS + at, bytes)
}

#[test]
fn a_frame_comes_after_a_header() {
    let (mut guest, mut peer) = guest();
    let sent = frame(60, 1);
    peer.send(&sent);
    let len = guest.exchange(RX, &[space(0, 12), space(0x100, 40), space(0x200, 2000)]);
    assert_eq!(len, 72);
    assert_eq!(guest.peek(BUFFERS, 12), Header::default().to_bytes(1));
    assert_eq!(guest.peek(BUFFERS + 0x100, 40), sent[..40]);
    assert_eq!(guest.peek(BUFFERS + 0x200, 20), sent[40..]);
    assert_eq!(guest.peek(BUFFERS + 0x214, 20), [0; 20], "and no more");
    wait_for("an interrupt", || guest.line.evt().read().is_ok());
}

#[test]
fn a_frame_is_spread_over_chains_that_are_used_together() {
    let (mut guest, mut peer) = guest();
    let sent = frame(1000, 2);
    for at in 0..5 {
        guest.offer(RX, &[space(at * 0x400, 300)]);
    }
    guest.notify(RX);
    peer.send(&sent);
    let used: Vec<_> = (0..4).map(|_| guest.wait_used(RX)).collect();
    assert_eq!(used, [(0, 300), (1, 300), (2, 300), (3, 112)]);
    let received: Vec<u8> = used
        .iter()
        .flat_map(|(at, len)| guest.peek(BUFFERS + u64::from(*at) * 0x400, *len as usize))
        .collect();
    assert_eq!(received[..HEADER], Header::default().to_bytes(4));
    assert!(received[HEADER..] == sent);
    peer.send(&sent[..60]);
    assert_eq!(
        guest.wait_used(RX),
        (4, 72),
        "the fifth was kept for the next"
    );
}

#[test]
fn a_frame_waits_for_the_chains_that_it_lacks() {
    let (mut guest, mut peer) = guest();
    let sent = frame(3000, 3);
    guest.offer(RX, &[space(0, 1000)]);
    guest.notify(RX);
    peer.send(&sent);
    for at in [1, 2, 3] {
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(guest.used_index(RX), 0, "none before all");
        guest.offer(RX, &[space(at * 0x400, 1000)]);
        guest.notify(RX);
    }
    let used: Vec<_> = (0..4).map(|_| guest.wait_used(RX)).collect();
    assert_eq!(used, [(0, 1000), (1, 1000), (2, 1000), (3, 12)]);
    let received: Vec<u8> = (0..4)
        .flat_map(|at| guest.peek(BUFFERS + at * 0x400, 1000))
        .take(HEADER + sent.len())
        .collect();
    assert_eq!(received[..HEADER], Header::default().to_bytes(4));
    assert!(received[HEADER..] == sent);
}

#[test]
fn a_frame_that_the_whole_ring_has_no_room_for_is_dropped() {
    let (mut guest, mut peer) = guest();
    for at in 0..u64::from(QUEUE_SIZE) {
        guest.offer(RX, &[space(at * 0x40, 64)]);
    }
    guest.notify(RX);
    peer.send(&frame(2000, 4));
    peer.send(&frame(50, 5));
    assert_eq!(guest.wait_used(RX), (0, 62));
    assert_eq!(guest.peek(BUFFERS + 12, 50), frame(50, 5));
}

#[test]
fn without_mergeable_buffers_a_frame_takes_one_chain_or_is_dropped() {
    let (mut guest, mut peer) = guest_with(0);
    guest.offer(RX, &[space(0, 1000)]);
    guest.offer(RX, &[space(0x400, 1000)]);
    guest.notify(RX);
    peer.send(&frame(989, 6));
    peer.send(&frame(988, 7));
    assert_eq!(guest.wait_used(RX), (0, 1000));
    assert_eq!(guest.peek(BUFFERS, 12), Header::default().to_bytes(1));
    assert!(guest.peek(BUFFERS + 12, 988) == frame(988, 7));
}

#[test]
fn frames_wait_for_buffers_and_none_is_lost() {
    for features in [0, spec::F_MRG_RXBUF, crate::virtio::F_EVENT_IDX] {
        let (mut guest, mut peer) = guest_with(features);
        const FRAMES: usize = 3000;
        let sender = std::thread::spawn(move || {
            (0..FRAMES).for_each(|seed| peer.send(&frame(14 + seed % 1500, seed)));
            peer
        });
        for seed in 0..FRAMES {
            let bytes = 14 + seed % 1500;
            let len = guest.exchange(RX, &[space(0, 2048)]);
            assert_eq!(len as usize, HEADER + bytes, "frame {seed}");
            assert!(guest.peek(BUFFERS + 12, bytes) == frame(bytes, seed));
        }
        sender.join().unwrap();
    }
}

#[test]
fn the_longest_frame_arrives() {
    let (mut guest, mut peer) = guest();
    let sent = frame(MAX_FRAME_BYTES, 8);
    peer.send(&sent);
    let len = guest.exchange(RX, &[space(0, 0x1_1000)]);
    assert_eq!(len as usize, HEADER + sent.len());
    assert!(guest.peek(BUFFERS + 12, sent.len()) == sent);
}

#[test]
fn a_frame_that_is_none_is_dropped() {
    let (mut guest, mut peer) = guest();
    peer.send(&[]);
    peer.send(&[1; 13]);
    peer.send(&frame(14, 9));
    assert_eq!(guest.exchange(RX, &[space(0, 100)]), 26);
    assert_eq!(guest.config(6), [1_u8, 0], "the link is up");
}

#[test]
fn a_length_that_no_frame_has_takes_the_link_down() {
    for length in [MAX_FRAME_BYTES as u32 + 1, 70_000, u32::MAX] {
        let (mut guest, mut peer) = guest();
        peer.send(&frame(60, 1));
        peer.0.write_all(&length.to_be_bytes()).unwrap();
        assert_eq!(guest.exchange(RX, &[space(0, 100)]), 72);
        guest.offer(RX, &[space(0, 100)]);
        guest.notify(RX);
        wait_for("the link", || guest.config(6) == [0_u8, 0]);
    }
}

#[test]
fn a_frame_may_come_in_pieces() {
    let (mut guest, mut peer) = guest();
    guest.offer(RX, &[space(0, 2048)]);
    guest.notify(RX);
    let sent = frame(100, 10);
    for byte in [&[0, 0, 0, 100], &sent[..]].concat() {
        peer.0.write_all(&[byte]).unwrap();
    }
    assert_eq!(guest.wait_used(RX), (0, 112));
    assert_eq!(guest.peek(BUFFERS + 12, 100), sent);
}

#[test]
fn chains_of_no_use_come_back_empty_and_are_counted() {
    let (mut guest, mut peer) = guest();
    peer.send(&frame(60, 1));
    for pieces in [
        &[space(0, 11)][..],
        &[Piece::readable(BUFFERS, 2048)],
        &[Piece::writable(MEMORY_BYTES - 100, 2048)],
        &[space(0, 2048), Piece::readable(BUFFERS, 64)],
    ] {
        assert_eq!(guest.exchange(RX, pieces), 0, "{pieces:?}");
    }
    assert_eq!(refused(&guest), 4);
    assert_eq!(guest.exchange(RX, &[space(0, 2048)]), 72);
}

#[test]
fn frames_survive_a_reset() {
    let (mut guest, mut peer) = guest();
    guest.offer(RX, &[space(0, 2048)]);
    guest.notify(RX);
    guest.write(Register::Status, 0);
    peer.send(&frame(60, 1));
    guest.start_simply();
    assert_eq!(guest.exchange(RX, &[space(0, 2048)]), 72);
}

#[test]
fn a_shut_gate_lets_not_even_an_end_through() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut gate = Gate::new(std::os::fd::AsRawFd::as_raw_fd(&ours)).unwrap();
    let readable = |gate: &Gate| {
        let epoll = vmm_sys_util::epoll::Epoll::new().unwrap();
        let event = vmm_sys_util::epoll::EpollEvent::new(vmm_sys_util::epoll::EventSet::IN, 0);
        let add = vmm_sys_util::epoll::ControlOperation::Add;
        epoll.ctl(add, gate.fd(), event).unwrap();
        epoll.wait(0, &mut [event]).unwrap() == 1
    };
    let input = Interest {
        input: true,
        output: false,
    };
    gate.set(input).unwrap();
    assert!(!readable(&gate));
    drop(theirs);
    assert!(readable(&gate));
    gate.set(Interest::default()).unwrap();
    assert!(!readable(&gate));
}

#[test]
fn frames_that_the_driver_does_not_want_do_not_hold_up_those_after_them() {
    let (mut guest, mut peer) = guest();
    let (class, number) = (spec::CTRL_RX, spec::CTRL_RX_PROMISC);
    assert_eq!(commands::command(&mut guest, class, number, &[0]), spec::OK);
    let mut unwanted = frame(60, 1);
    unwanted[5] ^= 1;
    // All at once, and more than are taken in a turn.
    let unwanted = [&[0, 0, 0, 60], &unwanted[..]].concat().repeat(1000);
    let wanted = [&[0, 0, 0, 61], &frame(61, 2)[..]].concat();
    peer.0.write_all(&[unwanted, wanted].concat()).unwrap();
    assert_eq!(guest.exchange(RX, &[space(0, 100)]), 73);
}

#[test]
fn an_interrupt_comes_when_the_chain_is_used_that_the_driver_waits_for() {
    let (mut guest, mut peer) = guest_with(crate::virtio::F_EVENT_IDX | spec::F_MRG_RXBUF);
    // The frame takes chains 0 to 3, of which the driver waits for the third.
    guest.want_interrupt(RX, 2);
    for at in 0..8 {
        guest.offer(RX, &[space(at * 0x400, 300)]);
    }
    guest.notify(RX);
    peer.send(&frame(1000, 1));
    wait_for("an interrupt", || guest.line.evt().read().is_ok());
    guest.want_interrupt(RX, 5);
    peer.send(&frame(60, 1));
    wait_for("the frame", || guest.used_index(RX) == 5);
    std::thread::sleep(Duration::from_millis(20));
    assert!(guest.line.evt().read().is_err(), "not yet");
    peer.send(&frame(60, 1));
    wait_for("an interrupt", || guest.line.evt().read().is_ok());
}

#[test]
fn a_saved_queue_goes_on_in_order_past_a_chain_of_no_use() {
    let (mut guest, mut peer) = guest();
    for pieces in [space(0, 100), space(0, 11), space(0x400, 2048)] {
        guest.offer(RX, &[pieces]);
    }
    guest.notify(RX);
    peer.send(&frame(60, 1));
    assert_eq!(guest.wait_used(RX), (0, 72));
    assert_eq!(guest.wait_used(RX), (1, 0));
    guest.transport.lock().unwrap().save().unwrap();
    peer.send(&frame(61, 1));
    assert_eq!(guest.wait_used(RX), (2, 73));
}
