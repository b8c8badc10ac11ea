//! The card on its buses, as a driver finds it, and the other end of its network.

use crate::bus::{DeviceId, MmioBus, PioBus};
use crate::irq::{LevelInput, SharedLine};
use crate::ne2000::spec::{page1, write0};
use crate::ne2000::{BAR, Ne2000};
use crate::net::frame_port::FramePort;
use crate::net::mac::MacAddress;
use crate::net::stream::Stream;
use crate::pci::root::{BarTarget, BarWiring, Root};
use crate::pci::testing::{ECAM, WINDOWS, connect};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

pub(super) const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// Pages of the ring, after twelve of two packets to transmit.
pub(super) const START: u8 = 0x4c;
pub(super) const STOP: u8 = 0x80;
pub(super) const TRANSMIT_PAGE: u8 = 0x40;
/// Started, no remote DMA, page 0; the same with others.
pub(super) const RUN: u8 = 0x22;
pub(super) const RUN_PAGE1: u8 = 0x62;
pub(super) const READ: u8 = 0x0a;
pub(super) const WRITE: u8 = 0x12;
pub(super) const TRANSMIT: u8 = 0x26;
pub(super) const HALT: u8 = 0x21;
/// Broadcasts, besides what is for this card.
pub(super) const BROADCAST: u8 = 0x04;

/// The function's place.
const CONFIG: u64 = ECAM + (1 << 15);
/// Ports, memory, no INTx disable.
const IO: u16 = 1;
const DEADLINE: Duration = Duration::from_secs(20);

struct Level(Arc<AtomicBool>);

impl LevelInput for Level {
    fn set(&self, high: bool) {
        self.0.store(high, Ordering::SeqCst);
    }
}

/// A machine with the card as its device 1, and its driver.
pub(super) struct Driver {
    pio: PioBus,
    mmio: MmioBus,
    pub(super) function: Arc<Mutex<Ne2000>>,
    pub(super) base: u16,
    pub(super) network: UnixStream,
    high: Arc<AtomicBool>,
}

/// A packet as the ring has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct InRing {
    pub(super) status: u8,
    pub(super) next: u8,
    /// With the check sequence.
    pub(super) bytes: Vec<u8>,
}

impl Driver {
    /// A card whose ports are enabled.
    pub(super) fn new() -> Self {
        let (near, network) = UnixStream::pair().unwrap();
        network.set_read_timeout(Some(DEADLINE)).unwrap();
        let stream = Stream::new("test".to_owned(), near).unwrap();
        let port = FramePort::new(Box::new(stream)).unwrap();
        let high = Arc::new(AtomicBool::new(false));
        let line = SharedLine::new(Box::new(Level(high.clone()))).join();
        let function = Ne2000::new(port, MacAddress(MAC), line, 11).unwrap();
        let ports = function.ports();
        let function = Arc::new(Mutex::new(function));
        let (mut mmio, mut pio) = (MmioBus::default(), PioBus::default());
        let root = Root::new(mmio.moving(), pio.moving(), WINDOWS, DeviceId(1)).share();
        connect(&mut mmio, &mut pio, &root);
        let wiring = BarWiring {
            index: BAR,
            target: BarTarget::Io(ports),
            on_move: Box::new(|_| {}),
        };
        let id = DeviceId(2);
        root.lock()
            .add(function.clone(), id, "ne2000", vec![wiring]);
        let mut this = Self {
            pio,
            mmio,
            function,
            base: 0,
            network,
            high,
        };
        this.base = u16::try_from(this.config(0x10)).unwrap() & !3;
        this.command(IO);
        this
    }

    /// A register of configuration space.
    pub(super) fn config(&self, register: u64) -> u32 {
        let mut data = [0; 4];
        self.mmio.read(CONFIG + register, &mut data);
        u32::from_le_bytes(data)
    }

    /// Sets the command register of configuration space.
    pub(super) fn command(&self, value: u16) {
        self.mmio.write(CONFIG + 4, &value.to_le_bytes());
    }

    pub(super) fn outb(&self, number: u16, value: u8) {
        self.pio.write(self.base + number, &[value]);
    }

    pub(super) fn inb(&self, number: u16) -> u8 {
        let mut data = [0];
        self.pio.read(self.base + number, &mut data);
        data[0]
    }

    /// A read of so many bytes at once.
    pub(super) fn input<const N: usize>(&self, number: u16) -> [u8; N] {
        let mut data = [0; N];
        self.pio.read(self.base + number, &mut data);
        data
    }

    /// A write of 1, 2 or 4 bytes at once.
    pub(super) fn output(&self, number: u16, bytes: &[u8]) {
        self.pio.write(self.base + number, bytes);
    }

    /// Writes registers of page 0.
    pub(super) fn set(&self, registers: &[(u16, u8)]) {
        for (number, value) in registers {
            self.outb(*number, *value);
        }
    }

    /// Reads a register of page 1, and goes back.
    pub(super) fn page1(&self, number: u16) -> u8 {
        self.outb(0, RUN_PAGE1);
        let value = self.inb(number);
        self.outb(0, RUN);
        value
    }

    pub(super) fn isr(&self) -> u8 {
        self.inb(write0::ISR)
    }

    pub(super) fn acknowledge(&self, bits: u8) {
        self.outb(write0::ISR, bits);
    }

    pub(super) fn interrupts(&self) -> bool {
        self.high.load(Ordering::SeqCst)
    }

    /// Sets the card up as Linux does, and starts it.
    pub(super) fn start(&self) {
        self.stop();
        self.outb(0, RUN);
        self.set(&[(write0::TCR, 0), (write0::RCR, BROADCAST)]);
    }

    /// Sets the card up, stopped and in loopback.
    pub(super) fn stop(&self) {
        self.outb(0, HALT);
        self.set(&[
            (write0::DCR, 0x49),
            (write0::RBCR0, 0),
            (write0::RBCR1, 0),
            (write0::RCR, 0x20),
            (write0::TCR, 0x02),
            (write0::TPSR, TRANSMIT_PAGE),
            (write0::PSTART, START),
            (write0::BNRY, STOP - 1),
            (write0::PSTOP, STOP),
            (write0::ISR, 0xff),
            (write0::IMR, 0x7f),
        ]);
        self.outb(0, HALT | 0x40);
        for (number, byte) in (page1::PAR0..).zip(MAC) {
            self.outb(number, byte);
        }
        for number in page1::MAR0..=page1::MAR7 {
            self.outb(number, 0);
        }
        self.outb(page1::CURR, START);
        self.outb(0, HALT);
    }

    /// Begins remote DMA.
    pub(super) fn remote(&self, command: u8, address: u16, count: u16) {
        let ([low, high], [count_low, count_high]) = (address.to_le_bytes(), count.to_le_bytes());
        self.outb(0, RUN);
        self.set(&[
            (write0::RSAR0, low),
            (write0::RSAR1, high),
            (write0::RBCR0, count_low),
            (write0::RBCR1, count_high),
            (0, command),
        ]);
    }

    /// Reads the buffer by words.
    pub(super) fn read(&self, address: u16, bytes: usize) -> Vec<u8> {
        self.remote(READ, address, bytes as u16);
        let words = (0..bytes.div_ceil(2)).flat_map(|_| self.input::<2>(0x10));
        let mut data: Vec<u8> = words.collect();
        data.truncate(bytes);
        data
    }

    /// Writes the buffer by words.
    pub(super) fn write(&self, address: u16, data: &[u8]) {
        self.remote(WRITE, address, data.len().next_multiple_of(2) as u16);
        for word in data.chunks(2) {
            self.output(0x10, &[word[0], *word.get(1).unwrap_or(&0)]);
        }
    }

    /// Asks for the transmission of `bytes` at the transmit page.
    pub(super) fn transmit(&self, bytes: u16) {
        let [low, high] = bytes.to_le_bytes();
        self.set(&[(write0::TBCR0, low), (write0::TBCR1, high), (0, TRANSMIT)]);
    }

    /// Sends a packet.
    pub(super) fn send(&self, packet: &[u8]) {
        self.write(u16::from(TRANSMIT_PAGE) << 8, packet);
        self.transmit(packet.len() as u16);
    }

    /// The packet after the boundary, which stays there; as Linux keeps the boundary, a page
    /// behind.
    pub(super) fn peek(&self) -> Option<InRing> {
        let page = match self.inb(write0::BNRY) + 1 {
            STOP => START,
            page => page,
        };
        if self.page1(page1::CURR) == page {
            return None;
        }
        let address = u16::from(page) << 8;
        let header = self.read(address, 4);
        let count = u16::from_le_bytes([header[2], header[3]]);
        Some(InRing {
            status: header[0],
            next: header[1],
            bytes: self.read(address + 4, count.into()),
        })
    }

    /// Takes a packet out of the ring.
    pub(super) fn take(&self) -> Option<InRing> {
        let packet = self.peek()?;
        let boundary = match packet.next {
            START => STOP - 1,
            next => next - 1,
        };
        self.outb(write0::BNRY, boundary);
        Some(packet)
    }

    /// Waits for a packet and takes it, without its check sequence.
    pub(super) fn receive(&self) -> Vec<u8> {
        wait("a packet", || self.peek().is_some());
        let mut packet = self.take().unwrap().bytes;
        packet.truncate(packet.len() - 4);
        packet
    }

    /// The network sends a packet.
    pub(super) fn arrive(&self, packet: &[u8]) {
        let length = (packet.len() as u32).to_be_bytes();
        let mut network = &self.network;
        network.write_all(&[&length, packet].concat()).unwrap();
    }

    /// Waits for what the network gets.
    pub(super) fn departed(&self) -> Vec<u8> {
        let mut length = [0; 4];
        let mut network = &self.network;
        network.read_exact(&mut length).unwrap();
        let mut packet = vec![0; u32::from_be_bytes(length) as usize];
        network.read_exact(&mut packet).unwrap();
        packet
    }
}

/// Waits until something is so.
pub(super) fn wait(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "no {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A packet of so many bytes to an address, with a number in it.
pub(super) fn packet(to: [u8; 6], number: u8, bytes: usize) -> Vec<u8> {
    let mut packet = to.to_vec();
    packet.extend((packet.len()..bytes).map(|at| (at as u8).wrapping_mul(7).wrapping_add(number)));
    packet
}
