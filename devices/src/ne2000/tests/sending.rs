//! Packets to the network, and back.

use crate::ne2000::spec::{
    CR_TXP, ISR_PTX, ISR_RXE, RSR_CRC, RSR_PRX, TSR_CDH, TSR_CRS, TSR_PTX, read0, write0,
};
use crate::ne2000::testing::{Driver, HALT, MAC, TRANSMIT, TRANSMIT_PAGE, packet, wait};
use crate::ne2000::{crc, spec};

const PEER: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];

/// How the last transmission has ended.
fn outcome(driver: &Driver) -> (u8, u8, u8) {
    let status = (driver.inb(0) & CR_TXP, driver.isr() & ISR_PTX);
    (status.0, status.1, driver.inb(read0::TSR))
}

#[test]
fn packets_are_sent_as_they_are_and_interrupt() {
    let driver = Driver::new();
    driver.start();
    for bytes in [14, 42, 60, 1001, 1514, 1518] {
        driver.acknowledge(0xff);
        driver.send(&packet(PEER, 3, bytes));
        assert_eq!(outcome(&driver), (0, ISR_PTX, TSR_PTX));
        assert!(driver.interrupts());
        assert_eq!(driver.departed(), packet(PEER, 3, bytes));
    }
}

#[test]
fn lengths_that_no_network_carries_are_transmitted_and_lost() {
    let driver = Driver::new();
    driver.start();
    for bytes in [0, 1, 13, 1519, 0x4000, 0xffff] {
        driver.acknowledge(0xff);
        driver.transmit(bytes);
        assert_eq!(outcome(&driver), (0, ISR_PTX, TSR_PTX), "{bytes}");
    }
    driver.send(&packet(PEER, 4, 60));
    assert_eq!(
        driver.departed(),
        packet(PEER, 4, 60),
        "the first to go out"
    );
}

#[test]
fn packets_from_beyond_the_buffer_are_ones() {
    let driver = Driver::new();
    driver.start();
    let end = packet(PEER, 5, 256);
    driver.write(0x7f00, &end);
    for (page, expected) in [
        (0x7f, [&end[..], &[0xff; 44]].concat()),
        (0x10, vec![0xff; 300]),
        (
            0xff,
            [&[0xff; 256][..], &driver.read(0, 32), &[0xff; 12]].concat(),
        ),
    ] {
        driver.outb(write0::TPSR, page);
        driver.transmit(300);
        assert_eq!(driver.departed(), expected, "{page:#x}");
    }
}

#[test]
fn a_network_without_room_holds_txp_until_it_has_some() {
    let driver = Driver::new();
    driver.start();
    driver.write(u16::from(TRANSMIT_PAGE) << 8, &packet(PEER, 6, 1514));
    let mut sent = 0;
    loop {
        driver.acknowledge(ISR_PTX);
        driver.transmit(1514);
        sent += 1;
        if driver.inb(0) & CR_TXP != 0 {
            break;
        }
        assert!(sent < 10_000, "the network has no end");
    }
    assert_eq!(driver.isr() & ISR_PTX, 0);
    // Another request is none, and the buffer is the driver's again.
    driver.write(u16::from(TRANSMIT_PAGE) << 8, &[0; 1514]);
    driver.outb(0, TRANSMIT);
    assert_eq!(
        driver.inb(0) & CR_TXP,
        CR_TXP,
        "through other commands, too"
    );
    for _ in 0..sent {
        assert_eq!(driver.departed(), packet(PEER, 6, 1514));
    }
    wait("end of the transmission", || {
        outcome(&driver) == (0, ISR_PTX, TSR_PTX)
    });
    assert!(driver.interrupts());
    driver.send(&packet(PEER, 7, 60));
    assert_eq!(driver.departed(), packet(PEER, 7, 60));
}

#[test]
fn a_reset_gives_up_what_the_network_has_no_room_for() {
    let driver = Driver::new();
    driver.start();
    let mut sent = 0;
    while driver.inb(0) & CR_TXP == 0 {
        driver.send(&packet(PEER, 8, 1514));
        sent += 1;
    }
    driver.outb(0x18, 0);
    assert_eq!((driver.inb(0), driver.isr() & ISR_PTX), (HALT, ISR_PTX));
    driver.start();
    for _ in 1..sent {
        driver.departed();
    }
    driver.send(&packet(PEER, 9, 60));
    assert_eq!(driver.departed(), packet(PEER, 9, 60));
}

#[test]
fn a_packet_may_bring_its_own_check_sequence() {
    let driver = Driver::new();
    driver.start();
    driver.outb(write0::TCR, 1);
    let mut own = packet(PEER, 1, 60);
    own.extend(crc::check_sequence(&own));
    driver.send(&own);
    assert_eq!(driver.departed(), own[..60]);
    own[20] ^= 1;
    driver.send(&own);
    driver.transmit(3);
    driver.outb(write0::TCR, 0);
    driver.send(&packet(PEER, 2, 60));
    assert_eq!(
        driver.departed(),
        packet(PEER, 2, 60),
        "wrong ones are lost"
    );
}

#[test]
fn loopback_ends_in_the_fifo_and_says_what_it_found() {
    let driver = Driver::new();
    driver.start();
    let plain = packet(MAC, 1, 60);
    let sequence = crc::check_sequence(&plain);
    // Mode, inhibit CRC, length, address: TSR, RSR, ISR.
    let cases = [
        (0x02, MAC, TSR_PTX | TSR_CRS | TSR_CDH, RSR_CRC, ISR_RXE),
        (0x04, MAC, TSR_PTX | TSR_CDH, RSR_CRC, ISR_RXE),
        (0x06, MAC, TSR_PTX, RSR_CRC, ISR_RXE),
        (0x02, PEER, TSR_PTX | TSR_CRS | TSR_CDH, RSR_PRX, 0),
    ];
    for (tcr, to, tsr, rsr, error) in cases {
        driver.acknowledge(0xff);
        driver.outb(write0::TCR, tcr);
        driver.send(&packet(to, 1, 60));
        assert_eq!(driver.inb(read0::TSR), tsr, "{tcr} {to:x?}");
        assert_eq!(driver.inb(read0::RSR), rsr, "{tcr} {to:x?}");
        assert_eq!(
            driver.isr() & (ISR_PTX | ISR_RXE | spec::ISR_PRX),
            ISR_PTX | error
        );
    }
    driver.outb(write0::TCR, 0x02);
    driver.send(&plain);
    let fifo: Vec<u8> = (0..8).map(|_| driver.inb(read0::FIFO)).collect();
    assert_eq!(
        fifo[..4],
        [64, 0, 0, plain[59]],
        "64 bytes, the last of data"
    );
    assert_eq!(fifo[4..], sequence);
    driver.acknowledge(0xff);
    driver.outb(write0::TCR, 0x03);
    driver.send(&[&plain[..], &sequence].concat());
    assert_eq!(
        (driver.inb(read0::RSR), driver.isr() & ISR_RXE),
        (RSR_PRX, 0)
    );
    for bytes in [0, 0xffff] {
        driver.transmit(bytes);
        assert_eq!(driver.inb(0) & CR_TXP, 0);
    }
    driver.outb(write0::TCR, 0);
    driver.send(&packet(PEER, 2, 60));
    assert_eq!(
        driver.departed(),
        packet(PEER, 2, 60),
        "nothing else went out"
    );
}

#[test]
fn a_link_that_is_down_loses_packets_and_says_so() {
    let driver = Driver::new();
    driver.start();
    driver.network.shutdown(std::net::Shutdown::Both).unwrap();
    wait("loss of the carrier", || {
        driver.send(&packet(PEER, 1, 60));
        outcome(&driver) == (0, ISR_PTX, TSR_PTX | TSR_CRS)
    });
}

#[test]
fn a_stopped_card_sends_nothing() {
    let driver = Driver::new();
    driver.start();
    driver.acknowledge(0xff);
    driver.outb(0, HALT | CR_TXP);
    assert_eq!((driver.inb(0), driver.isr() & ISR_PTX), (HALT, 0));
}
