//! Drivers that work against the manual.

use super::driver::RUN_PAGE1;
use crate::ne2000::spec::{ISR_OVW, ISR_PRX, page1, write0};
use crate::ne2000::testing::{Driver, MAC, RUN, packet, wait};

/// PSTART, PSTOP, BNRY, CURR.
const RINGS: [[u8; 4]; 12] = [
    [0x4c, 0x80, 0x4c, 0x4c],
    [0x80, 0x4c, 0x80, 0x80],
    [0x60, 0x60, 0x60, 0x60],
    [0x60, 0x60, 0x10, 0x60],
    [0x60, 0x61, 0x10, 0x60],
    [0x00, 0xff, 0x80, 0x00],
    [0xff, 0x00, 0x80, 0xfe],
    [0x4c, 0x80, 0x10, 0x20],
    [0x4c, 0x80, 0x10, 0xff],
    [0x4c, 0x80, 0x10, 0x80],
    [0x4c, 0xff, 0x4b, 0x7f],
    [0x00, 0x00, 0x00, 0xff],
];

fn set_ring(driver: &Driver, [start, stop, boundary, current]: [u8; 4]) {
    driver.set(&[
        (write0::PSTART, start),
        (write0::PSTOP, stop),
        (write0::BNRY, boundary),
        (0, RUN_PAGE1),
        (page1::CURR, current),
        (0, RUN),
    ]);
}

#[test]
fn pages_that_make_no_ring_do_no_harm() {
    for ring in RINGS {
        let driver = Driver::new();
        driver.start();
        let prom = driver.read(0, 32);
        set_ring(&driver, ring);
        for at in 0..20 {
            driver.arrive(&packet(MAC, at, 1514));
        }
        // They are somewhere in the buffer or nowhere, or the ring is full.
        wait("end of them", || driver.isr() & (ISR_PRX | ISR_OVW) != 0);
        for command in [0x0a, 0x12, 0x1a, 0x26, 0x3e] {
            driver.outb(write0::RBCR1, 0xff);
            driver.outb(0, command);
            driver.input::<4>(0x10);
            driver.output(0x10, &[0xff; 4]);
        }
        driver.outb(0x18, 0);
        driver.start();
        assert_eq!(driver.read(0, 32), prom);
        driver.write(0x4000, &[1, 2]);
        assert_eq!(driver.read(0x4000, 2), [1, 2], "{ring:x?}");
    }
}

#[test]
fn every_port_takes_every_value_at_every_width() {
    let driver = Driver::new();
    for page in 0..4_u8 {
        for port in 0..32 {
            for value in 0..=0xff_u8 {
                driver.outb(0, RUN | page << 6);
                driver.outb(port, value);
                driver.inb(port);
            }
            driver.output(port & !1, &[0xff; 2]);
            driver.output(port & !3, &[0xa5; 4]);
            driver.input::<4>(port & !3);
            // What straddles is split by the bus.
            driver.output(port, &[0x5a; 4]);
            driver.input::<4>(port);
        }
    }
    driver.outb(0x18, 0);
    driver.start();
    driver.arrive(&packet(MAC, 1, 60));
    assert_eq!(driver.receive(), packet(MAC, 1, 60));
}
