//! The socket device as its driver and host programs see it, its worker running.

mod driver;
mod hostile;

use super::connection::to_guest::Content;
use super::credit::BUF_ALLOC;
use super::packet::{Op, Ports, SHUTDOWN_BOTH, SHUTDOWN_RECEIVE, SHUTDOWN_SEND};
use super::*;
use crate::virtio::testing::wait_for;
use driver::{Driver, line, pattern, read_exactly};
use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;

/// Ports of a connection that the guest has made.
const OUT: Ports = Ports {
    guest: 9000,
    host: 52,
};

fn content(op: Op) -> Content {
    let (flags, len) = (0, 0);
    Content { op, flags, len }
}

fn shutdown(flags: u32) -> Content {
    Content {
        flags,
        ..content(Op::Shutdown)
    }
}

#[test]
fn the_configuration_is_the_guests_address() {
    let driver = Driver::new();
    assert_eq!(driver.guest.config(0), 42_u64.to_le_bytes());
}

#[test]
fn the_guest_connects_to_a_host_program() {
    let mut driver = Driver::new();
    let mut program = driver.connect_out(OUT);
    driver.send_data(OUT, b"from the guest");
    assert_eq!(read_exactly(&mut program, 14), b"from the guest");
    program.write_all(b"from the host").unwrap();
    assert_eq!(driver.receive_data(OUT, 13), b"from the host");
}

#[test]
fn a_host_program_connects_to_the_guest() {
    let mut driver = Driver::new();
    let (mut program, ports) = driver.connect_in(1024, b"early");
    assert_eq!(ports.guest, 1024);
    assert_eq!(line(&mut program), format!("OK {}\n", ports.host));
    assert_eq!(
        driver.receive_data(ports, 5),
        b"early",
        "what followed the line"
    );
    driver.send_data(ports, b"hello");
    assert_eq!(read_exactly(&mut program, 5), b"hello");
}

#[test]
fn a_port_that_nobody_listens_on_refuses() {
    let mut driver = Driver::new();
    driver.send(OUT, content(Op::Request), &[]);
    driver.expect(OUT, content(Op::Rst));
    assert_eq!(driver.refused(), 0, "no fault of the driver's");
}

#[test]
fn a_guest_that_refuses_ends_the_programs_socket() {
    let mut driver = Driver::new();
    let mut program = driver.program();
    program.write_all(b"CONNECT 7\n").unwrap();
    let ports = driver.expect_request(7);
    driver.send(ports, content(Op::Rst), &[]);
    assert_eq!(program.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn a_program_that_talks_nonsense_is_left() {
    let driver = Driver::new();
    for bytes in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        b"CONNECT 99999999999\n",
        &[0; 100],
    ] {
        let mut program = driver.program();
        // It may be gone before all is written, and then what it did not read is an error.
        let _ = program.write_all(bytes);
        assert!(matches!(program.read(&mut [0; 8]), Ok(0) | Err(_)));
    }
    drop(driver.program());
}

#[test]
fn the_guests_end_of_data_is_the_programs_and_the_other_way_stays_open() {
    let mut driver = Driver::new();
    let mut program = driver.connect_out(OUT);
    driver.send_data(OUT, b"all");
    driver.send(OUT, shutdown(SHUTDOWN_SEND), &[]);
    let mut all = Vec::new();
    program.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"all");
    program.write_all(b"answer").unwrap();
    assert_eq!(driver.receive_data(OUT, 6), b"answer");
    drop(program);
    driver.expect_closed(OUT);
}

#[test]
fn the_programs_end_of_data_is_the_guests_and_the_other_way_stays_open() {
    let mut driver = Driver::new();
    let mut program = driver.connect_out(OUT);
    program.write_all(b"all").unwrap();
    program.shutdown(Shutdown::Write).unwrap();
    assert_eq!(driver.receive_data(OUT, 3), b"all");
    driver.expect(OUT, shutdown(SHUTDOWN_SEND));
    driver.send_data(OUT, b"answer");
    assert_eq!(read_exactly(&mut program, 6), b"answer");
    driver.send(OUT, shutdown(SHUTDOWN_BOTH), &[]);
    driver.expect(OUT, content(Op::Rst));
    assert_eq!(program.read(&mut [0; 8]).unwrap(), 0);
}

#[test]
fn a_program_that_reads_no_more_is_said_to() {
    let mut driver = Driver::new();
    let program = driver.connect_out(OUT);
    program.shutdown(Shutdown::Read).unwrap();
    driver.send_data(OUT, b"for nobody");
    driver.expect(OUT, shutdown(SHUTDOWN_RECEIVE));
    (&program).write_all(b"still").unwrap();
    assert_eq!(driver.receive_data(OUT, 5), b"still");
}

#[test]
fn a_guest_that_reads_no_more_ends_the_programs_writing() {
    let mut driver = Driver::new();
    let mut program = driver.connect_out(OUT);
    driver.send(OUT, shutdown(SHUTDOWN_RECEIVE), &[]);
    let refused = program.write_all(b"for nobody").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::BrokenPipe);
    driver.send_data(OUT, b"still");
    assert_eq!(read_exactly(&mut program, 5), b"still");
}

#[test]
fn a_program_that_closes_is_gone_for_the_guest_once_it_has_read_everything() {
    let mut driver = Driver::new();
    let mut program = driver.connect_out(OUT);
    program.write_all(&pattern(20_000)).unwrap();
    drop(program);
    assert_eq!(driver.receive_data(OUT, 20_000), pattern(20_000));
    driver.expect_closed(OUT);
    driver.send(OUT, content(Op::Rst), &[]);
    // The ports are free again.
    driver.reconnect(OUT);
}

#[test]
fn what_a_guest_sent_before_it_closed_reaches_a_slow_program() {
    let mut driver = Driver::new();
    let mut program = driver.connect_out(OUT);
    let sent = driver.send_until_full(OUT);
    driver.send(OUT, shutdown(SHUTDOWN_BOTH), &[]);
    driver.expect(OUT, content(Op::Rst));
    let mut other = driver.reconnect(OUT);
    driver.send_data(OUT, b"apart");
    let mut received = Vec::new();
    program.read_to_end(&mut received).unwrap();
    assert!(received == pattern(sent), "{} of {sent}", received.len());
    assert_eq!(read_exactly(&mut other, 5), b"apart");
}

#[test]
fn a_slow_program_holds_the_guest_up_by_credit_alone() {
    let mut driver = Driver::new();
    let mut program = driver.connect_out(OUT);
    let sent = driver.send_until_full(OUT);
    let received = read_exactly(&mut program, sent);
    assert!(received == pattern(sent));
    let update = driver.receive(OUT, Op::CreditUpdate);
    assert!(update.fwd_cnt as usize > sent - BUF_ALLOC as usize);
    driver.send_data(OUT, b"on");
    assert_eq!(read_exactly(&mut program, 2), b"on");
}

#[test]
fn a_slow_guest_is_sent_what_it_has_room_for() {
    let mut driver = Driver::new();
    driver.buf_alloc = 5000;
    let mut program = driver.connect_out(OUT);
    program.write_all(&pattern(12_000)).unwrap();
    assert_eq!(driver.receive_data(OUT, 5000), pattern(5000));
    driver.expect(OUT, content(Op::CreditRequest));
    driver.send(OUT, content(Op::CreditUpdate), &[]);
    assert_eq!(
        driver.receive_data(OUT, 5000),
        pattern(12_000)[5000..10_000]
    );
    driver.expect(OUT, content(Op::CreditRequest));
    driver.send(OUT, content(Op::CreditUpdate), &[]);
    assert_eq!(driver.receive_data(OUT, 2000), pattern(12_000)[10_000..]);
}

#[test]
fn a_mebibyte_passes_both_ways_intact() {
    const BYTES: usize = 1 << 20;
    let mut driver = Driver::new();
    let mut program = driver.connect_out(OUT);
    let mut writer = program.try_clone().unwrap();
    let writing = std::thread::spawn(move || writer.write_all(&pattern(BYTES)).unwrap());
    assert!(driver.receive_data(OUT, BYTES) == pattern(BYTES));
    writing.join().unwrap();
    let reading = std::thread::spawn(move || read_exactly(&mut program, BYTES));
    driver.send_all(OUT, &pattern(BYTES));
    assert!(reading.join().unwrap() == pattern(BYTES));
}

#[test]
fn data_fill_small_pieces_without_gaps() {
    use crate::virtio::testing::{BUFFERS, Piece};
    const PIECES: [u32; 5] = [50, 4, 8, 1, 100];
    let mut driver = Driver::without_buffers();
    driver.buf_alloc = 20;
    let server = driver.listen(OUT.host);
    driver.send(OUT, content(Op::Request), &[]);
    let (mut program, _) = server.accept().unwrap();
    program.write_all(&pattern(23)).unwrap();
    // The credit ends in the middle of a piece.
    let mut gpa = BUFFERS;
    let pieces = PIECES.map(|len| {
        gpa += 0x100;
        Piece::writable(gpa, len)
    });
    let rx = usize::from(RECEIVE);
    assert_eq!(
        driver.guest.exchange(rx, &[Piece::writable(BUFFERS, 4096)]),
        44
    );
    assert_eq!(driver.guest.exchange(rx, &pieces), 44 + 20);
    let data: Vec<u8> = pieces
        .iter()
        .flat_map(|piece| driver.guest.peek(piece.gpa, piece.len as usize))
        .collect();
    assert_eq!(data[44..64], pattern(20));
    assert_eq!(data[64..], [0; 163 - 64]);
}

#[test]
fn connections_of_a_guest_without_buffers_wait() {
    const MANY: u32 = 20;
    let mut driver = Driver::without_buffers();
    let server = driver.listen(OUT.host);
    let each = |at| Ports {
        guest: OUT.guest + at,
        ..OUT
    };
    for at in 0..MANY {
        driver.send(each(at), content(Op::Request), &[]);
        let mut program = server.accept().unwrap().0;
        program.write_all(&[at as u8]).unwrap();
    }
    driver.offer_buffers();
    let mut data = Vec::new();
    let mut responses = 0;
    while data.len() < MANY as usize || responses < MANY {
        let (header, bytes) = driver.next();
        responses += u32::from(header.op == Op::Response as u16);
        data.extend(bytes);
    }
    data.sort_unstable();
    assert_eq!(data, (0..MANY as u8).collect::<Vec<_>>());
}

#[test]
fn programs_beyond_the_limit_wait_for_a_place() {
    let driver = Driver::new();
    let programs: Vec<_> = (0..table::MAX_CONNECTIONS)
        .map(|_| driver.program())
        .collect();
    let mut last = driver.program();
    last.set_nonblocking(true).unwrap();
    last.write_all(b"nonsense\n").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(50));
    let waits = last.read(&mut [0]).unwrap_err();
    assert_eq!(waits.kind(), ErrorKind::WouldBlock);
    drop(programs);
    wait_for("a place", || {
        !matches!(
            (&last).read(&mut [0]),
            Err(error) if error.kind() == ErrorKind::WouldBlock
        )
    });
}

#[test]
fn who_does_not_answer_in_time_is_given_up() {
    let mut driver = Driver::new();
    let mut silent = driver.program();
    let mut unanswered = driver.program();
    unanswered.write_all(b"CONNECT 7\n").unwrap();
    let ports = driver.expect_request(7);
    drop(driver.connect_out(OUT));
    driver.expect_closed(OUT);
    let mut over = [0; 2].map(|_| driver.next().0);
    over.sort_by_key(|header| header.dst_port);
    for (header, of) in over.iter().zip([ports, OUT]) {
        assert_eq!((header.dst_port, header.src_port), (of.guest, of.host));
        assert_eq!(header.op, Op::Rst as u16);
    }
    assert_eq!(silent.read(&mut [0]).unwrap(), 0);
    assert_eq!(unanswered.read(&mut [0]).unwrap(), 0);
}

#[test]
fn a_guest_whose_connections_are_lost_is_told() {
    let mut driver = Driver::new();
    let _program = driver.connect_out(OUT);
    driver.offer_event();
    driver.guest.transport.lock().unwrap().save().unwrap();
    assert_eq!(driver.guest.wait_used(EVENT.into()).1, 4);
    assert_eq!(driver.event(), [0; 4], "transport reset");
    driver.send_data(OUT, b"too late");
    driver.expect(OUT, content(Op::Rst));
}

#[test]
fn a_restored_device_has_the_saved_address_and_tells_of_the_reset() {
    let (_folder, endpoint) = driver::endpoint();
    let mut device = Vsock::new(3, endpoint);
    device.restore(&VsockState { guest_cid: 77 });
    assert_eq!(device.save(), VsockState { guest_cid: 77 });
    let mut guest = crate::virtio::testing::Guest::new(Box::new(device));
    guest.start_simply();
    assert_eq!(guest.config(0), 77_u64.to_le_bytes());
    let event = [crate::virtio::testing::Piece::writable(
        driver::EVENT_BUFFER,
        8,
    )];
    assert_eq!(guest.exchange(EVENT.into(), &event), 4);
}
