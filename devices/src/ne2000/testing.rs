//! The card on its buses, as a driver finds it, and the other end of its network: for tests and
//! fuzzing.

use crate::bus::{DeviceId, MmioBus, PioBus};
use crate::irq::{LevelInput, SharedLine};
use crate::ne2000::spec::{page1, write0};
use crate::ne2000::{BAR, Ne2000};
use crate::net::frame_port::FramePort;
use crate::net::mac::MacAddress;
use crate::net::stream::Stream;
use crate::pci::root::{BarTarget, BarWiring, Root};
use crate::pci::testing::{ECAM, WINDOWS, connect};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
/// Pages of the ring, after twelve of two packets to transmit.
pub(crate) const START: u8 = 0x4c;
pub(crate) const STOP: u8 = 0x80;
pub(crate) const TRANSMIT_PAGE: u8 = 0x40;
/// Started, no remote DMA, page 0; the same with others.
pub(crate) const RUN: u8 = 0x22;

pub(crate) const READ: u8 = 0x0a;
pub(crate) const WRITE: u8 = 0x12;
pub(crate) const TRANSMIT: u8 = 0x26;
pub(crate) const HALT: u8 = 0x21;
/// Broadcasts, besides what is for this card.
pub(crate) const BROADCAST: u8 = 0x04;

/// The function's place.
const CONFIG: u64 = ECAM + (1 << 15);
/// Ports, memory, no INTx disable.
const IO: u16 = 1;
const DEADLINE: Duration = Duration::from_secs(60);

struct Level(Arc<AtomicBool>);

impl LevelInput for Level {
    fn set(&self, high: bool) {
        self.0.store(high, Ordering::SeqCst);
    }
}

/// A machine with the card as its device 1, and its driver.
pub(crate) struct Driver {
    pio: PioBus,
    mmio: MmioBus,
    pub(crate) function: Arc<Mutex<Ne2000>>,
    pub(crate) base: u16,
    pub(crate) network: UnixStream,
    high: Arc<AtomicBool>,
}

impl Driver {
    /// A card whose ports are enabled.
    pub(crate) fn new() -> Self {
        let (near, network) = UnixStream::pair().expect("no panic");
        network.set_read_timeout(Some(DEADLINE)).expect("no panic");
        let stream = Stream::new("test".to_owned(), near).expect("no panic");
        let port = FramePort::new(Box::new(stream)).expect("no panic");
        let high = Arc::new(AtomicBool::new(false));
        let line = SharedLine::new(Box::new(Level(high.clone()))).join();
        let function = Ne2000::new(port, MacAddress(MAC), line, 11).expect("no panic");
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
        this.base = u16::try_from(this.config(0x10)).expect("no panic") & !3;
        this.command(IO);
        this
    }

    /// A register of configuration space.
    pub(crate) fn config(&self, register: u64) -> u32 {
        let mut data = [0; 4];
        self.mmio.read(CONFIG + register, &mut data);
        u32::from_le_bytes(data)
    }

    /// Sets the command register of configuration space.
    pub(crate) fn command(&self, value: u16) {
        self.mmio.write(CONFIG + 4, &value.to_le_bytes());
    }

    pub(crate) fn outb(&self, number: u16, value: u8) {
        self.pio.write(self.base + number, &[value]);
    }

    pub(crate) fn inb(&self, number: u16) -> u8 {
        let mut data = [0];
        self.pio.read(self.base + number, &mut data);
        data[0]
    }

    /// A read of so many bytes at once.
    pub(crate) fn input<const N: usize>(&self, number: u16) -> [u8; N] {
        let mut data = [0; N];
        self.pio.read(self.base + number, &mut data);
        data
    }

    /// A write of 1, 2 or 4 bytes at once.
    pub(crate) fn output(&self, number: u16, bytes: &[u8]) {
        self.pio.write(self.base + number, bytes);
    }

    /// Writes registers of page 0.
    pub(crate) fn set(&self, registers: &[(u16, u8)]) {
        for (number, value) in registers {
            self.outb(*number, *value);
        }
    }

    pub(crate) fn interrupts(&self) -> bool {
        self.high.load(Ordering::SeqCst)
    }

    /// Sets the card up as Linux does, and starts it.
    pub(crate) fn start(&self) {
        self.stop();
        self.outb(0, RUN);
        self.set(&[(write0::TCR, 0), (write0::RCR, BROADCAST)]);
    }

    /// Sets the card up, stopped and in loopback.
    pub(crate) fn stop(&self) {
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
    pub(crate) fn remote(&self, command: u8, address: u16, count: u16) {
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
    pub(crate) fn read(&self, address: u16, bytes: usize) -> Vec<u8> {
        self.remote(READ, address, bytes as u16);
        let words = (0..bytes.div_ceil(2)).flat_map(|_| self.input::<2>(0x10));
        let mut data: Vec<u8> = words.collect();
        data.truncate(bytes);
        data
    }

    /// Writes the buffer by words.
    pub(crate) fn write(&self, address: u16, data: &[u8]) {
        self.remote(WRITE, address, data.len().next_multiple_of(2) as u16);
        for word in data.chunks(2) {
            self.output(0x10, &[word[0], *word.get(1).unwrap_or(&0)]);
        }
    }

    /// Asks for the transmission of `bytes` at the transmit page.
    pub(crate) fn transmit(&self, bytes: u16) {
        let [low, high] = bytes.to_le_bytes();
        self.set(&[(write0::TBCR0, low), (write0::TBCR1, high), (0, TRANSMIT)]);
    }

    /// Sends a packet.
    pub(crate) fn send(&self, packet: &[u8]) {
        self.write(u16::from(TRANSMIT_PAGE) << 8, packet);
        self.transmit(packet.len() as u16);
    }
}

/// Waits until something is so.
pub(crate) fn wait(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !is_so() {
        assert!(Instant::now() < deadline, "no {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// A packet of so many bytes to an address, with a number in it.
pub(crate) fn packet(to: [u8; 6], number: u8, bytes: usize) -> Vec<u8> {
    let mut packet = to.to_vec();
    packet.extend((packet.len()..bytes).map(|at| (at as u8).wrapping_mul(7).wrapping_add(number)));
    packet
}
