//! [`Machine`]: the card on PCI with the driver's side of it, for tests and fuzzing: registers
//! through the buses, rings in memory, a socket for the network. Each wait has a deadline.

use super::spec::*;
use super::{E1000, Wiring};
use crate::bus::{DeviceId, MmioBus, PioBus};
use crate::irq::{LevelInput, SharedLine};
use crate::net::frame_port::FramePort;
use crate::net::mac::MacAddress;
use crate::net::stream::Stream;
use crate::pci::config::{BAR0, COMMAND};
use crate::pci::root::{BarTarget, BarWiring, Root};
use crate::pci::testing::{ECAM, WINDOWS, connect};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// Bytes of the guest's memory, from address 0.
pub const MEMORY_BYTES: u64 = 1 << 20;
/// Where the rings are that [`Machine::start`] sets up, and their descriptors.
pub const TRANSMIT_RING: u64 = 0x1000;
/// See there.
pub const RECEIVE_RING: u64 = 0x2000;
/// See there.
pub const RING_SIZE: u32 = 16;
/// Where receive buffers are, 2 KiB each.
pub const RECEIVE_BUFFERS: u64 = 0x1_0000;
/// Where anything else may be.
pub const BUFFERS: u64 = 0x2_0000;
/// The card's address.
pub const MAC: MacAddress = MacAddress([0x52, 0x54, 0, 0x12, 0x34, 0x56]);

const DEADLINE: Duration = Duration::from_secs(60);

/// An interrupt line that can be looked at.
#[derive(Clone, Default)]
struct Line(Arc<AtomicBool>);

impl LevelInput for Line {
    fn set(&self, high: bool) {
        self.0.store(high, Ordering::SeqCst);
    }
}

/// The card and all around it.
pub struct Machine {
    /// The guest's memory.
    pub memory: GuestMemoryMmap,
    /// Where the registers are.
    pub mmio: MmioBus,
    /// Where the two ports to them are.
    pub pio: PioBus,
    /// The card.
    pub card: Arc<Mutex<E1000>>,
    /// The other end of the network.
    pub peer: UnixStream,
    line: Line,
}

impl Default for Machine {
    fn default() -> Self {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY_BYTES as usize)]);
        let memory = memory.expect("memory");
        let (near, peer) = UnixStream::pair().expect("a pair");
        let stream = Stream::new("test".to_owned(), near).expect("a stream");
        let line = Line::default();
        let wiring = Wiring {
            memory: memory.clone(),
            port: FramePort::new(Box::new(stream)).expect("a port"),
            intx: SharedLine::new(Box::new(line.clone())).join(),
            irq: 11,
        };
        let card = Arc::new(Mutex::new(E1000::new(wiring, MAC).expect("a card")));
        let (mut mmio, mut pio) = (MmioBus::default(), PioBus::default());
        let root = Root::new(mmio.moving(), pio.moving(), WINDOWS, DeviceId(1)).share();
        connect(&mut mmio, &mut pio, &root);
        let bars = [
            (MEMORY_BAR, BarTarget::Memory(card.clone())),
            (IO_BAR, BarTarget::Io(card.clone())),
        ];
        let bars = bars.map(|(index, target)| BarWiring {
            index,
            target,
            on_move: Box::new(|_| {}),
        });
        let id = DeviceId(2);
        root.lock().add(card.clone(), id, "e1000", bars.into());
        let this = Self {
            memory,
            mmio,
            pio,
            card,
            peer,
            line,
        };
        this.command(0b111);
        this
    }
}

impl Machine {
    fn config(register: u16) -> u64 {
        ECAM + (1 << 15) + u64::from(register)
    }

    /// Writes PCI's command register.
    pub fn command(&self, value: u16) {
        self.mmio.write(Self::config(COMMAND), &value.to_le_bytes());
    }

    /// Reads PCI's configuration space.
    pub fn read_config(&self, register: u16) -> u32 {
        let mut data = [0; 4];
        self.mmio.read(Self::config(register), &mut data);
        u32::from_le_bytes(data)
    }

    /// Where a register is in memory.
    pub fn address(&self, register: u32) -> u64 {
        u64::from(self.read_config(BAR0) & !0xf) + u64::from(register)
    }

    /// Reads a register.
    pub fn read(&self, register: u32) -> u32 {
        let mut data = [0; 4];
        self.mmio.read(self.address(register), &mut data);
        u32::from_le_bytes(data)
    }

    /// Writes a register.
    pub fn write(&self, register: u32, value: u32) {
        self.mmio
            .write(self.address(register), &value.to_le_bytes());
    }

    /// Both rings, with all receive descriptors but one the card's, and everything turned on; all
    /// interrupts that are told of are in ICR alone.
    pub fn start(&self) {
        for (first, base) in [(TDBAL, TRANSMIT_RING), (RDBAL, RECEIVE_RING)] {
            self.write(first, base as u32);
            self.write(first + RING_LENGTH, RING_SIZE * DESCRIPTOR_BYTES as u32);
        }
        for index in 0..RING_SIZE {
            let buffer = RECEIVE_BUFFERS + u64::from(index) * 2048;
            self.put(RECEIVE_RING, index, [buffer, 0]);
        }
        self.write(RDBAL + RING_TAIL, RING_SIZE - 1);
        self.write(RCTL, RCTL_EN | RCTL_BAM | RCTL_SECRC);
        self.write(TCTL, TCTL_EN | TCTL_PSP);
    }

    /// Writes a descriptor.
    pub fn put(&self, ring: u64, index: u32, descriptor: [u64; 2]) {
        let at = ring + u64::from(index) * DESCRIPTOR_BYTES;
        self.poke(at, &descriptor[0].to_le_bytes());
        self.poke(at + 8, &descriptor[1].to_le_bytes());
    }

    /// Reads the second half of a descriptor.
    pub fn rest(&self, ring: u64, index: u32) -> u64 {
        let at = ring + u64::from(index) * DESCRIPTOR_BYTES + 8;
        let half = self.memory.load(GuestAddress(at), Ordering::Acquire);
        half.expect("in memory")
    }

    /// Writes memory.
    pub fn poke(&self, at: u64, data: &[u8]) {
        let written = self.memory.write_slice(data, GuestAddress(at));
        written.expect("in memory");
    }

    /// Reads memory.
    pub fn peek(&self, at: u64, bytes: usize) -> Vec<u8> {
        let mut data = vec![0; bytes];
        let read = self.memory.read_slice(&mut data, GuestAddress(at));
        read.expect("in memory");
        data
    }

    /// Gives the card transmit descriptors, from the tail on; returns the new tail.
    pub fn transmit(&self, descriptors: &[[u64; 2]]) -> u32 {
        let mut tail = self.read(TDBAL + RING_TAIL);
        for descriptor in descriptors {
            self.put(TRANSMIT_RING, tail, *descriptor);
            tail = (tail + 1) % RING_SIZE;
        }
        self.write(TDBAL + RING_TAIL, tail);
        tail
    }

    /// Sends a frame to the card.
    pub fn send(&mut self, frame: &[u8]) {
        let length = (frame.len() as u32).to_be_bytes();
        let sent = self.peer.write_all(&[&length[..], frame].concat());
        sent.expect("the card's end is open");
    }

    /// Whether INTA# is wanted.
    pub fn interrupts(&self) -> bool {
        self.line.0.load(Ordering::SeqCst)
    }

    /// Waits until it is so.
    pub fn wait_for(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < DEADLINE, "no {what}");
            thread::sleep(Duration::from_micros(100));
        }
    }

    /// Waits until a descriptor is done; returns its second half.
    pub fn wait_done(&self, ring: u64, index: u32) -> u64 {
        let is_done = |this: &Self| this.rest(ring, index) & TX_DD != 0;
        self.wait_for("descriptor", is_done);
        self.rest(ring, index)
    }
}
