//! Packets from the network.

use super::driver::{InRing, RUN_PAGE1};
use crate::bus::{PioDevice, Width};
use crate::irq::{LevelInput, SharedLine};
use crate::ne2000::card::Card;
use crate::ne2000::crc;
use crate::ne2000::spec::{
    ISR_CNT, ISR_OVW, ISR_PRX, ISR_RST, RSR_DIS, RSR_MPA, RSR_PHY, RSR_PRX, page1, read0, write0,
};
use crate::ne2000::testing::{BROADCAST, Driver, HALT, MAC, RUN, START, STOP, packet, wait};
use crate::net::frame_port::FramePort;
use crate::net::mac::MacAddress;
use crate::net::stream::Stream;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

const ALL: [u8; 6] = [0xff; 6];
const GROUP: [u8; 6] = [0x01, 0x00, 0x5e, 0x00, 0x00, 0x01];
const OTHER: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];

#[test]
fn a_packet_is_in_the_ring_with_header_and_check_sequence() {
    let driver = Driver::new();
    driver.start();
    assert_eq!(driver.take(), None);
    driver.arrive(&packet(MAC, 1, 300));
    wait("interrupt", || driver.interrupts());
    assert_eq!(driver.isr() & ISR_PRX, ISR_PRX);
    let mut bytes = packet(MAC, 1, 300);
    bytes.extend(crc::check_sequence(&bytes));
    let expected = InRing {
        status: RSR_PRX,
        next: START + 2,
        bytes,
    };
    assert_eq!(driver.take(), Some(expected));
    assert_eq!(driver.inb(read0::RSR), RSR_PRX);
    assert_eq!(driver.page1(page1::CURR), START + 2);
    driver.acknowledge(0xff);
    assert!(!driver.interrupts());
}

#[test]
fn packets_of_all_lengths_go_around_the_ring() {
    let driver = Driver::new();
    driver.start();
    // To either side of what fits into one page, two and so on.
    for (number, bytes) in (0..).zip([14, 60, 247, 248, 249, 504, 505, 1514, 1518].repeat(8)) {
        driver.arrive(&packet(MAC, number, bytes));
        let mut expected = packet(MAC, number, bytes);
        expected.resize(bytes.max(60), 0);
        assert_eq!(driver.receive(), expected, "{bytes}");
    }
    driver.arrive(&packet(MAC, 1, 1519));
    driver.arrive(&packet(MAC, 2, 60));
    assert_eq!(driver.receive(), packet(MAC, 2, 60), "longer ones are lost");
}

#[test]
fn packets_of_others_are_not_taken_unless_asked_for() {
    let driver = Driver::new();
    driver.start();
    let group_bit = crc::filter_bit(GROUP);
    // RCR, bit of the filter that is set, and who gets through.
    let cases: [(u8, u8, &[[u8; 6]]); 7] = [
        (0, group_bit, &[]),
        (BROADCAST, group_bit, &[ALL]),
        (0x08, group_bit, &[GROUP]),
        (0x08, group_bit ^ 1, &[]),
        (0x10, group_bit, &[OTHER]),
        (0x14, group_bit, &[ALL, OTHER]),
        (0x1c, group_bit, &[ALL, GROUP, OTHER]),
    ];
    for (rcr, bit, expected) in cases {
        driver.outb(write0::RCR, rcr);
        driver.outb(0, RUN_PAGE1);
        for (number, byte) in (page1::MAR0..=page1::MAR7).zip(0..) {
            driver.outb(number, if byte == bit >> 3 { 1 << (bit & 7) } else { 0 });
        }
        driver.outb(0, RUN);
        for to in [ALL, GROUP, OTHER, MAC] {
            driver.arrive(&packet(to, rcr, 60));
        }
        for to in expected.iter().chain([&MAC]) {
            wait("a packet", || driver.peek().is_some());
            let got = driver.take().unwrap();
            let group = if to[0] & 1 != 0 { RSR_PHY } else { 0 };
            assert_eq!(got.bytes[..6], *to, "RCR {rcr:#x}");
            assert_eq!(got.status, RSR_PRX | group);
        }
    }
}

#[test]
fn a_monitor_counts_and_keeps_nothing() {
    let driver = Driver::new();
    driver.start();
    driver.outb(write0::RCR, 0x20 | BROADCAST);
    for _ in 0..200 {
        driver.arrive(&packet(ALL, 1, 60));
    }
    driver.arrive(&packet(OTHER, 1, 60));
    wait("tally", || driver.isr() & ISR_CNT != 0);
    assert!(driver.interrupts());
    assert_eq!(driver.inb(read0::RSR), RSR_MPA | RSR_DIS | RSR_PHY);
    driver.outb(write0::RCR, 0);
    driver.arrive(&packet(MAC, 2, 60));
    // It stops there, whatever came meanwhile.
    let counted = driver.inb(read0::CNTR2);
    assert!((128..=192).contains(&counted), "{counted}");
    assert_eq!(
        driver.receive(),
        packet(MAC, 2, 60),
        "the first in the ring"
    );
    assert_eq!(driver.inb(read0::CNTR2), 0, "it is cleared by reading");
}

#[test]
fn a_receiver_that_is_stopped_or_looped_leaves_packets_on_the_wire() {
    let driver = Driver::new();
    driver.stop();
    driver.arrive(&packet(MAC, 1, 60));
    driver.outb(0, RUN);
    assert_eq!(driver.take(), None, "looped");
    driver.set(&[(write0::RCR, BROADCAST), (write0::TCR, 0)]);
    assert_eq!(driver.receive(), packet(MAC, 1, 60));
    driver.outb(0, HALT);
    driver.arrive(&packet(MAC, 2, 60));
    assert_eq!(driver.isr() & ISR_RST, ISR_RST);
    driver.outb(0, RUN);
    assert_eq!(driver.receive(), packet(MAC, 2, 60));
}

#[test]
fn packets_wait_for_room_and_none_is_lost() {
    let driver = Driver::new();
    driver.start();
    const PACKETS: u8 = 60;
    std::thread::scope(|scope| {
        scope.spawn(|| (0..PACKETS).for_each(|at| driver.arrive(&packet(MAC, at, 1514))));
        for at in 0..PACKETS {
            assert_eq!(driver.receive(), packet(MAC, at, 1514));
        }
    });
    assert_eq!((driver.isr() & ISR_OVW, driver.inb(read0::CNTR2)), (0, 0));
}

#[test]
fn a_boundary_before_the_ring_is_its_last_page() {
    let driver = Driver::new();
    driver.start();
    for boundary in [STOP - 1, START - 1] {
        driver.outb(0, HALT);
        driver.outb(write0::BNRY, boundary);
        driver.outb(0, HALT | 0x40);
        driver.outb(page1::CURR, START);
        driver.outb(0, RUN);
        for at in 0..10 {
            driver.arrive(&packet(MAC, at, 1514));
        }
        wait("overflow", || driver.isr() & ISR_OVW != 0);
        let end = driver.page1(page1::CURR);
        assert_eq!(end, START + 48, "eight of six pages");
        let first = driver.read((u16::from(START) << 8) + 4, 1514);
        assert_eq!(first, packet(MAC, 0, 1514), "{boundary:#x}");
        driver.outb(write0::BNRY, START + 20);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(
            driver.page1(page1::CURR),
            end,
            "nothing before that is seen"
        );
        driver.acknowledge(0xff);
        wait("the packet after the lost one", || {
            driver.page1(page1::CURR) != end
        });
    }
}

#[test]
fn a_ring_that_stays_full_overflows_and_recovers() {
    let driver = Driver::new();
    driver.start();
    driver.outb(write0::PSTOP, START + 8);
    driver.outb(write0::BNRY, START + 7);
    for at in 0..4 {
        driver.arrive(&packet(MAC, at, 700));
    }
    wait("overflow", || driver.isr() & ISR_OVW != 0);
    assert_eq!(driver.isr() & ISR_RST, ISR_RST);
    assert_eq!(driver.inb(read0::RSR), RSR_MPA);
    assert_eq!(driver.inb(read0::CNTR2), 1);
    // Linux's recovery: stop, loop back, start, empty the ring, acknowledge, go on.
    driver.outb(0, HALT);
    driver.outb(write0::TCR, 0x02);
    driver.outb(0, RUN);
    let mut taken = Vec::new();
    for page in [START, START + 3] {
        let header = driver.read(u16::from(page) << 8, 4);
        let bytes = driver.read((u16::from(page) << 8) + 4, 700);
        assert_eq!(header[0], RSR_PRX);
        taken.push(bytes);
        driver.outb(write0::BNRY, header[1] - 1);
    }
    assert_eq!(taken, [packet(MAC, 0, 700), packet(MAC, 1, 700)]);
    assert_eq!(driver.isr() & ISR_RST, 0, "the ring has room again");
    driver.acknowledge(ISR_OVW);
    assert_eq!(driver.page1(page1::CURR), START + 6, "still looped");
    driver.outb(write0::TCR, 0);
    wait("the packet after the lost one", || {
        driver.page1(page1::CURR) == START + 1
    });
    let header = driver.read((u16::from(START) + 6) << 8, 4);
    assert_eq!(header[1], START + 1, "around the ring");
    let bytes = driver.read(((u16::from(START) + 6) << 8) + 4, 700);
    assert_eq!(bytes, packet(MAC, 3, 700), "around the ring, too");
}

#[test]
fn a_packet_after_the_driver_has_looked_interrupts_again() {
    let driver = Driver::new();
    driver.start();
    driver.arrive(&packet(MAC, 1, 60));
    wait("a packet", || driver.isr() & ISR_PRX != 0);
    driver.acknowledge(ISR_PRX);
    assert_eq!(
        driver.isr() & ISR_PRX,
        0,
        "acknowledged before it has looked"
    );
    assert_eq!(driver.receive(), packet(MAC, 1, 60));
    driver.arrive(&packet(MAC, 2, 60));
    wait("a packet", || driver.isr() & ISR_PRX != 0);
    let end = driver.page1(page1::CURR);
    driver.arrive(&packet(MAC, 3, 60));
    wait("another", || driver.inb(read0::CLDA1) != end);
    driver.acknowledge(ISR_PRX);
    assert_eq!(driver.isr() & ISR_PRX, ISR_PRX, "of the other");
    assert!(driver.interrupts());
    driver.page1(page1::CURR);
    driver.acknowledge(ISR_PRX);
    assert_eq!(driver.isr() & ISR_PRX, 0);
}

#[test]
fn the_send_packet_command_reads_packet_after_packet() {
    let driver = Driver::new();
    driver.start();
    // With the boundary at the next packet, as that command wants it.
    driver.outb(write0::BNRY, START);
    for at in [1, 2] {
        driver.arrive(&packet(MAC, at, 100));
        wait("a packet", || driver.page1(page1::CURR) == START + at);
    }
    for at in [1, 2] {
        driver.acknowledge(0xff);
        driver.outb(0, 0x1a);
        let read: Vec<u8> = (0..52).flat_map(|_| driver.input::<2>(0x10)).collect();
        assert_eq!(read[..4], [RSR_PRX, START + at, 104, 0]);
        assert_eq!(read[4..], packet(MAC, at, 100));
        assert_eq!(driver.inb(write0::BNRY), START + at);
        driver.outb(0, RUN);
    }
    driver.outb(0, 0x1a);
    assert_eq!(driver.input::<2>(0x10), [0xff; 2], "there is no other");
    assert_eq!(driver.inb(write0::BNRY), START + 2);
}

struct Nowhere;

impl LevelInput for Nowhere {
    fn set(&self, _high: bool) {}
}

/// A card without its thread, and the network.
fn idle_card() -> (Card, UnixStream) {
    let (near, network) = UnixStream::pair().unwrap();
    let stream = Stream::new("test".to_owned(), near).unwrap();
    let port = FramePort::new(Box::new(stream)).unwrap();
    let line = SharedLine::new(Box::new(Nowhere)).join();
    (Card::new(port, MacAddress(MAC), line).unwrap(), network)
}

#[test]
fn the_worker_waits_for_packets_only_while_they_have_somewhere_to_go() {
    let (mut card, mut network) = idle_card();
    let set = |registers: &[(u16, u8)], card: &mut Card| {
        for (number, value) in registers {
            card.pio_write(*number, Width::Byte, (*value).into());
        }
    };
    for _ in 0..100 {
        let frame = [&60_u32.to_be_bytes(), &packet(MAC, 1, 60)[..]].concat();
        network.write_all(&frame).unwrap();
    }
    assert!(!card.work().input, "stopped");
    set(&[(0, HALT | 0x40), (7, START), (0, RUN)], &mut card);
    set(
        &[(1, START), (2, STOP), (3, STOP - 1), (12, 0x10)],
        &mut card,
    );
    let turns = (0..100).take_while(|_| card.work().input).count();
    assert_eq!(turns, 1, "the ring has 51 free pages, a turn 32 packets");
    assert!(!card.work().input, "full");
    set(&[(3, START)], &mut card);
    set(&[(0, HALT)], &mut card);
    assert!(!card.work().input, "stopped");
    set(&[(0, RUN)], &mut card);
    set(&[(3, START + 20), (13, 2)], &mut card);
    assert!(!card.work().input, "looped");
    let none: u32 = card.pio_read(7, Width::Byte) & u32::from(ISR_OVW);
    assert_eq!(none, 0);
}
