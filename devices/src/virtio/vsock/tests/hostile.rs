//! What no driver sends.

use super::driver::PACKET;
use super::*;
use crate::virtio::testing::{BUFFERS, MEMORY_BYTES, Piece};
use crate::virtio::vsock::packet::HEADER_BYTES;

const RX: usize = RECEIVE as usize;
const TX: usize = TRANSMIT as usize;

#[test]
fn packets_of_no_connection_are_answered_with_a_reset() {
    let mut driver = Driver::new();
    for op in [
        content(Op::Response),
        shutdown(SHUTDOWN_BOTH),
        content(Op::Rw),
        content(Op::CreditUpdate),
        content(Op::CreditRequest),
    ] {
        driver.send(OUT, op, &[]);
        driver.expect(OUT, content(Op::Rst));
    }
    driver.send(OUT, content(Op::Rst), &[]);
    driver.send(OUT, content(Op::Request), &[]);
    driver.expect(OUT, content(Op::Rst));
    assert_eq!(driver.guest.used_index(RX), 6, "a reset is not answered");
}

#[test]
fn an_unknown_type_is_refused_with_that_type() {
    let mut driver = Driver::new();
    let _server = driver.listen(OUT.host);
    for kind in [0, 2, 0xffff] {
        let mut header = driver.header(OUT, content(Op::Request));
        header.kind = kind;
        driver.send_raw(&header, &[]);
        assert_eq!(driver.receive(OUT, Op::Rst).kind, kind);
    }
}

#[test]
fn another_host_than_this_one_refuses_in_its_name() {
    let mut driver = Driver::new();
    for cid in [0, 1, 3, 42, u64::MAX, 1 << 32 | 2] {
        let mut header = driver.header(OUT, content(Op::Request));
        header.dst_cid = cid;
        driver.send_raw(&header, &[]);
        assert_eq!(driver.receive(OUT, Op::Rst).src_cid, cid);
    }
}

#[test]
fn another_sender_than_the_guest_is_ignored_and_counted() {
    let mut driver = Driver::new();
    let mut header = driver.header(OUT, content(Op::Request));
    header.src_cid = 43;
    driver.send_raw(&header, &[]);
    header.src_cid = 1 << 32 | 42;
    driver.send_raw(&header, &[]);
    assert_eq!((driver.refused(), driver.guest.used_index(RX)), (2, 0));
}

#[test]
fn what_makes_no_sense_in_a_connection_ends_it() {
    for (op, flags) in [(1, 0), (2, 0), (0, 0), (8, 0), (u16::MAX, 3)] {
        let mut driver = Driver::new();
        let mut program = driver.connect_out(OUT);
        let mut header = driver.header(OUT, content(Op::Rw));
        (header.op, header.flags) = (op, flags);
        driver.send_raw(&header, &[]);
        driver.expect(OUT, content(Op::Rst));
        assert_eq!(driver.refused(), 1);
        assert_eq!(program.read(&mut [0]).unwrap(), 0);
    }
}

#[test]
fn data_beyond_the_credit_or_after_their_end_end_the_connection() {
    let mut driver = Driver::new();
    let _program = driver.connect_out(OUT);
    driver.send_until_full(OUT);
    driver.send_data(OUT, b"!");
    driver.expect(OUT, content(Op::Rst));
    let _program = driver.reconnect(OUT);
    driver.send(OUT, shutdown(SHUTDOWN_SEND), &[]);
    driver.send_data(OUT, b"!");
    driver.expect(OUT, content(Op::Rst));
    assert_eq!(driver.refused(), 2);
}

#[test]
fn data_before_the_answer_end_the_connection() {
    let mut driver = Driver::new();
    let mut program = driver.program();
    program.write_all(b"CONNECT 7\n").unwrap();
    let ports = driver.expect_request(7);
    driver.send_data(ports, b"!");
    driver.expect(ports, content(Op::Rst));
    assert_eq!(program.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_header_that_lies_about_its_data_ends_the_connection() {
    for len in [4, 5, 1 << 20, u32::MAX] {
        let mut driver = Driver::new();
        let mut program = driver.connect_out(OUT);
        let header = driver.header(
            OUT,
            Content {
                len,
                ..content(Op::Rw)
            },
        );
        driver.send_raw(&header, b"abc");
        driver.expect(OUT, content(Op::Rst));
        assert_eq!(driver.refused(), 1);
        assert_eq!(
            program.read(&mut [0]).unwrap(),
            0,
            "nothing of it came through"
        );
    }
}

#[test]
fn bytes_after_the_data_are_not_sent() {
    let mut driver = Driver::new();
    let mut program = driver.connect_out(OUT);
    let header = driver.header(
        OUT,
        Content {
            len: 3,
            ..content(Op::Rw)
        },
    );
    driver.send_raw(&header, b"abcdef");
    driver.send_data(OUT, b"ghi");
    assert_eq!(read_exactly(&mut program, 6), b"abcghi");
}

#[test]
fn malformed_chains_come_back_empty_and_work_goes_on() {
    let mut driver = Driver::without_buffers();
    let header = driver.header(OUT, content(Op::Request));
    driver.guest.poke(PACKET, &header.bytes());
    for pieces in [
        vec![Piece::readable(PACKET, HEADER_BYTES as u32 - 1)],
        vec![Piece::writable(PACKET, 4096)],
        vec![
            Piece::readable(PACKET, 44),
            Piece::readable(MEMORY_BYTES - 1, 2),
        ],
        vec![Piece::readable(u64::MAX - 4, 44)],
        vec![Piece::writable(BUFFERS, 4), Piece::readable(PACKET, 44)],
    ] {
        driver.guest.exchange(TX, &pieces);
    }
    assert_eq!(driver.refused(), 5);
    // One refusal is due: buffers that it does not fit into come back empty.
    driver.guest.offer(RX, &[Piece::writable(BUFFERS, 44)]);
    driver.guest.offer(RX, &[Piece::readable(BUFFERS, 4096)]);
    driver
        .guest
        .offer(RX, &[Piece::writable(MEMORY_BYTES - 100, 4096)]);
    driver.guest.offer(RX, &[Piece::writable(BUFFERS, 45)]);
    driver.send(OUT, content(Op::Request), &[]);
    driver.guest.notify(RX);
    let used = [0; 4].map(|_| driver.guest.wait_used(RX).1);
    assert_eq!(used, [0, 0, 0, 44]);
}

#[test]
fn a_guest_that_takes_no_answers_is_listened_to_no_more_until_it_does() {
    let mut driver = Driver::without_buffers();
    let mut taken = 0;
    let header = driver.header(OUT, content(Op::CreditRequest));
    driver.guest.poke(PACKET, &header.bytes());
    let packet = [Piece::readable(PACKET, HEADER_BYTES as u32)];
    while taken < 256 {
        driver.guest.exchange(TX, &packet);
        taken += 1;
    }
    driver.guest.offer(TX, &packet);
    driver.guest.notify(TX);
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(driver.guest.used_index(TX), 256, "no more");
    driver.offer_buffers();
    driver.guest.wait_used(TX);
    for _ in 0..257 {
        driver.expect(OUT, content(Op::Rst));
    }
}

#[test]
fn claims_of_the_guest_about_its_room_harm_itself_alone() {
    let mut driver = Driver::new();
    let mut program = driver.connect_out(OUT);
    program.write_all(b"waiting").unwrap();
    assert_eq!(driver.receive_data(OUT, 7), b"waiting");
    let mut header = driver.header(OUT, content(Op::CreditUpdate));
    (header.buf_alloc, header.fwd_cnt) = (0, u32::MAX);
    driver.send_raw(&header, &[]);
    program.write_all(b"held back").unwrap();
    driver.expect(OUT, content(Op::CreditRequest));
    driver.send_raw(&header, &[]);
    driver.send(OUT, content(Op::CreditUpdate), &[]);
    assert_eq!(driver.receive_data(OUT, 9), b"held back");
}
