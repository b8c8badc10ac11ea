//! The card on its buses: what a driver finds, and its remote DMA here, packets in the others.

mod driver;
mod hostile;
mod receiving;
mod sending;

use super::spec::{ISR_RDC, ISR_RST, page1, read0, write0};
use super::testing::{self, Driver, HALT, MAC, READ, RUN, START, STOP, WRITE, packet};

#[test]
fn it_is_an_rtl8029as_with_32_ports_and_inta() {
    let driver = Driver::new();
    assert_eq!(driver.config(0), 0x8029_10ec);
    assert_eq!(driver.config(8), 0x0200_0000);
    assert_eq!(driver.config(0x3c) & 0xffff, 0x010b, "IRQ 11, INTA#");
    assert_eq!(driver.config(0x10) & 3, 1, "ports");
    assert_eq!((driver.inb(0), driver.isr()), (HALT, ISR_RST));
    assert_eq!([driver.inb(read0::ID0), driver.inb(read0::ID1)], *b"PC");
    driver.command(0);
    assert_eq!(driver.inb(0), 0xff, "ports are off");
}

#[test]
fn linux_probes_it_and_reads_its_address() {
    let driver = Driver::new();
    driver.outb(0, HALT | 0x40);
    driver.outb(0x0d, 0xff);
    driver.outb(0, 0x20);
    driver.inb(read0::CNTR0);
    assert_eq!(
        driver.inb(read0::CNTR0),
        0,
        "a counter, not what was written"
    );
    driver.outb(0, RUN);
    assert_eq!(driver.isr() & ISR_RST, 0);
    let value = driver.inb(0x1f);
    driver.outb(0x1f, value);
    assert_eq!(driver.isr() & ISR_RST, ISR_RST);
    driver.acknowledge(0xff);
    driver.outb(write0::DCR, 0x49);
    driver.remote(READ, 0, 32);
    let prom: Vec<u8> = (0..16).map(|_| driver.inb(0x10)).collect();
    assert_eq!((&prom[..6], &prom[14..]), (&MAC[..], &[0x57, 0x57][..]));
    driver.outb(write0::DCR, 0x48);
    driver.remote(READ, 0, 32);
    let doubled: Vec<u8> = (0..32).map(|_| driver.inb(0x10)).collect();
    let singles: Vec<u8> = doubled.chunks(2).map(|pair| pair[0]).collect();
    assert!(doubled.chunks(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(singles, prom);
}

#[test]
fn registers_read_back_in_their_pages() {
    let driver = Driver::new();
    driver.start();
    driver.outb(0, RUN | 0x80);
    let page2 = [
        (write0::PSTART, START),
        (write0::PSTOP, STOP),
        (write0::TPSR, 0x40),
        (write0::RCR, 0xc4),
        (write0::TCR, 0xe0),
        (write0::DCR, 0xc9),
        (write0::IMR, 0xff),
    ];
    for (number, value) in page2 {
        assert_eq!(driver.inb(number), value, "{number:#x} of page 2");
        driver.outb(number, 0);
        assert_eq!(driver.inb(number), value, "is not written");
    }
    driver.outb(0, RUN | 0xc0);
    let page3 = [driver.inb(3), driver.inb(5), driver.inb(6), driver.inb(1)];
    assert_eq!(page3, [0, 0x40, 0x40, 0xff]);
    for (number, value) in (page1::PAR0..).zip(MAC) {
        assert_eq!(driver.page1(number), value);
    }
    assert_eq!(driver.page1(page1::CURR), START);
    assert_eq!(driver.inb(read0::CLDA1), START);
    let wide: [u8; 4] = driver.input(0);
    assert_eq!(wide, [RUN, 0, START, STOP - 1], "four registers at once");
    driver.output(write0::PSTART, &[0x55]);
    driver.output(write0::PSTOP, &[0x60, 0x5f]);
    driver.outb(0, RUN | 0x80);
    assert_eq!((driver.inb(1), driver.inb(2)), (0x55, 0x60));
}

#[test]
fn bytes_words_and_double_words_go_through_the_data_port() {
    let driver = Driver::new();
    driver.start();
    let data = packet(MAC, 1, 64);
    for (wide, dcr) in [(1, 0x48), (2, 0x48), (4, 0x48), (2, 0x49), (4, 0x49)] {
        driver.outb(write0::DCR, dcr);
        driver.acknowledge(0xff);
        driver.remote(WRITE, 0x5000, 64);
        for piece in data.chunks(wide) {
            assert_eq!(driver.isr() & ISR_RDC, 0);
            driver.output(0x10, piece);
        }
        assert_eq!(driver.isr() & ISR_RDC, ISR_RDC, "{wide} {dcr:#x}");
        assert!(driver.interrupts());
        driver.acknowledge(ISR_RDC);
        assert!(!driver.interrupts());
        driver.outb(write0::DCR, 0x49);
        assert_eq!(driver.read(0x5000, 64), data, "{wide} {dcr:#x}");
        driver.outb(write0::DCR, dcr);
        driver.remote(READ, 0x5000, 64);
        for piece in data.chunks(wide) {
            let read = match wide {
                1 => driver.input::<1>(0x10).to_vec(),
                2 => driver.input::<2>(0x12).to_vec(),
                _ => driver.input::<4>(0x14).to_vec(),
            };
            assert_eq!(read, piece, "{wide} {dcr:#x}");
        }
        driver.remote(WRITE, 0x5000, 64);
        (0..64).for_each(|_| driver.output(0x10, &[0]));
    }
}

#[test]
fn nothing_moves_without_a_command_or_beyond_its_count() {
    let driver = Driver::new();
    driver.start();
    driver.write(0x5000, &[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(driver.input(0x10), [0xff; 4], "it was a write");
    driver.output(0x10, &[9; 4]);
    driver.remote(READ, 0x5000, 6);
    driver.output(0x10, &[9; 4]);
    assert_eq!(driver.input(0x10), [1, 2, 3, 4]);
    assert_eq!(driver.input(0x10), [5, 6, 0xff, 0xff]);
    assert_eq!(driver.input(0x10), [0xff; 4]);
    driver.remote(READ, 0x5000, 8);
    driver.outb(0, RUN);
    assert_eq!(driver.input(0x10), [0xff; 4], "aborted");
    driver.acknowledge(0xff);
    driver.remote(READ, 0x5000, 0);
    assert_eq!((driver.isr(), driver.inb(0x10)), (ISR_RDC, 0xff));
    assert_eq!(driver.read(0x5000, 8), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn remote_dma_wraps_at_the_end_of_the_ring_and_of_memory() {
    let driver = Driver::new();
    driver.start();
    driver.write(0x4c00, &[3, 4]);
    driver.write(0x7ffe, &[1, 2]);
    assert_eq!(driver.read(0x7ffe, 4), [1, 2, 3, 4]);
    let crda = [driver.inb(read0::CRDA0), driver.inb(read0::CRDA1)];
    assert_eq!(crda, [2, 0x4c]);
    driver.outb(write0::PSTOP, 0xff);
    driver.write(0x3ffe, &[9; 6]);
    assert_eq!(driver.read(0x3ffe, 6), [0xff, 0xff, 9, 9, 9, 9]);
    driver.write(0x7ffe, &[8; 6]);
    assert_eq!(driver.read(0x7ffe, 6), [8, 8, 0xff, 0xff, 0xff, 0xff]);
    driver.write(0, &[0; 32]);
    assert_eq!(driver.read(0xfffe, 4), [0xff, 0xff, MAC[0], MAC[0]]);
    for address in [0x5001, 0xffff] {
        driver.write(address, &[5, 6]);
    }
    assert_eq!(
        driver.read(0x5001, 2),
        driver.read(0x5000, 2),
        "words are even"
    );
    assert_eq!(driver.read(0x5000, 2), [5, 6]);
}

#[test]
fn an_interrupt_that_pci_forbids_is_held_back() {
    let driver = Driver::new();
    driver.start();
    driver.command(0x401);
    driver.write(0x5000, &[0; 2]);
    assert!(!driver.interrupts());
    driver.command(1);
    assert!(driver.interrupts());
    driver.inb(0x18);
    assert!(!driver.interrupts(), "a reset masks all");
}

#[test]
fn a_saved_card_goes_on_in_another() {
    let driver = Driver::new();
    driver.start();
    driver.write(0x6000, &packet(MAC, 9, 100));
    driver.arrive(&packet(MAC, 1, 300));
    testing::wait("a packet", || driver.isr() & 1 != 0);
    let state = driver.function.lock().unwrap().save();
    let other = Driver::new();
    other.function.lock().unwrap().restore(&state);
    assert_eq!(other.function.lock().unwrap().save(), state);
    assert!(other.interrupts());
    assert_eq!(other.read(0x6000, 100), packet(MAC, 9, 100));
    assert_eq!(other.receive(), packet(MAC, 1, 300));
    other.arrive(&packet(MAC, 2, 60));
    assert_eq!(other.receive(), packet(MAC, 2, 60));
}
