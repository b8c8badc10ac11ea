//! [`Guest`]: the driver's side of a virtio device behind [`MmioTransport`], for tests and
//! fuzzing: registers through the bus, rings in memory. Each wait has a deadline.
//!
//! (`virtio_queue`'s own mock places the used ring on top of the available ring's second half.)

use super::mmio::MmioTransport;
use super::mmio::spec::{BLOCK_BYTES, Register};
use super::{F_EVENT_IDX, F_VERSION_1, VirtioDevice};
use crate::bus::{BusRange, DeviceId, MmioBus};
use crate::irq::IrqLine;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use virtio_bindings::virtio_ring::{VRING_DESC_F_NEXT, VRING_DESC_F_WRITE};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

/// Where the device's registers are.
pub const BASE: u64 = 0xd000_0000;
/// Bytes of the guest's memory, from address 0.
pub const MEMORY_BYTES: u64 = 1 << 20;
/// Descriptors of each queue that [`Guest::start`] sets up.
pub const QUEUE_SIZE: u16 = 16;
/// Where buffers may be; the rings are below.
pub const BUFFERS: u64 = 0x2_0000;

const DEADLINE: Duration = Duration::from_secs(60);
const RINGS: u64 = 0x1000;
const RING_STRIDE: u64 = 0x1000;
const AVAIL_OFFSET: u64 = 0x400;
const USED_OFFSET: u64 = 0x800;

/// A buffer of a chain, as the driver describes it.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Guest-physical address.
    pub gpa: u64,
    /// Bytes.
    pub len: u32,
    /// `VRING_DESC_F_WRITE` and the like, without `VRING_DESC_F_NEXT`.
    pub flags: u16,
}

impl Piece {
    /// For the device to read.
    pub fn readable(gpa: u64, len: u32) -> Self {
        Self { gpa, len, flags: 0 }
    }

    /// For the device to write.
    pub fn writable(gpa: u64, len: u32) -> Self {
        let flags = VRING_DESC_F_WRITE as u16;
        Self { gpa, len, flags }
    }
}

/// A driver and its device.
pub struct Guest {
    /// Its memory.
    pub memory: GuestMemoryMmap,
    /// The device's interrupt.
    pub line: IrqLine,
    /// The device.
    pub transport: Arc<Mutex<MmioTransport>>,
    bus: MmioBus,
    /// Next free descriptor, and used entries seen, of each queue.
    positions: Vec<(u16, u16)>,
}

impl Guest {
    /// A machine with that device.
    pub fn new(device: Box<dyn VirtioDevice>) -> Self {
        let ranges = [(GuestAddress(0), MEMORY_BYTES as usize)];
        let memory = GuestMemoryMmap::from_ranges(&ranges).expect("1 MiB of memory");
        let line = IrqLine::new().expect("an event");
        let positions = vec![(0, 0); device.queue_max_sizes().len()];
        let transport = MmioTransport::new(device, memory.clone(), line.clone());
        let transport = Arc::new(Mutex::new(transport.expect("events")));
        let mut bus = MmioBus::default();
        let range = BusRange {
            base: BASE,
            len: BLOCK_BYTES,
        };
        bus.insert(range, DeviceId(1), "virtio", transport.clone())
            .expect("an empty bus");
        Self {
            memory,
            line,
            transport,
            bus,
            positions,
        }
    }

    /// The bus that the device is on.
    pub fn bus(&self) -> &MmioBus {
        &self.bus
    }

    /// Reads a register.
    pub fn read(&self, register: Register) -> u32 {
        let mut data = [0; 4];
        self.bus.read(BASE + register as u64, &mut data);
        u32::from_le_bytes(data)
    }

    /// Writes a register.
    pub fn write(&self, register: Register, value: u32) {
        self.bus.write(BASE + register as u64, &value.to_le_bytes());
    }

    /// Reads the device's configuration.
    pub fn config<const N: usize>(&self, offset: u64) -> [u8; N] {
        let mut data = [0; N];
        self.bus.read(BASE + 0x100 + offset, &mut data);
        data
    }

    /// Accepts `features` (and `VERSION_1`) up to FEATURES_OK; returns the status.
    pub fn negotiate(&self, features: u64) -> u32 {
        let features = features | F_VERSION_1;
        self.write(Register::Status, 1);
        self.write(Register::Status, 3);
        for page in [0, 1] {
            self.write(Register::DriverFeaturesSel, page);
            self.write(Register::DriverFeatures, (features >> (32 * page)) as u32);
        }
        self.write(Register::Status, 11);
        self.read(Register::Status)
    }

    /// Places of queue `index`: descriptor table, available ring, used ring.
    pub fn areas(index: usize) -> [u64; 3] {
        let base = RINGS + RING_STRIDE * index as u64;
        [base, base + AVAIL_OFFSET, base + USED_OFFSET]
    }

    /// Sets up queue `index` with [`QUEUE_SIZE`] descriptors at its place.
    pub fn set_up_queue(&self, index: usize) {
        let [desc, avail, used] = Self::areas(index);
        self.write(Register::QueueSel, index as u32);
        self.write(Register::QueueSize, QUEUE_SIZE.into());
        for (low, high, address) in [
            (Register::QueueDescLow, Register::QueueDescHigh, desc),
            (Register::QueueDriverLow, Register::QueueDriverHigh, avail),
            (Register::QueueDeviceLow, Register::QueueDeviceHigh, used),
        ] {
            self.write(low, address as u32);
            self.write(high, (address >> 32) as u32);
        }
        self.write(Register::QueueReady, 1);
    }

    /// The whole handshake with `features` and empty rings; returns the status at its end.
    pub fn start(&mut self, features: u64) -> u32 {
        self.negotiate(features);
        for index in 0..self.positions.len() {
            self.positions[index] = (0, 0);
            self.poke(Self::areas(index)[0], &[0; RING_STRIDE as usize]);
            self.set_up_queue(index);
        }
        self.write(Register::Status, 15);
        self.read(Register::Status)
    }

    /// [`Self::start`] with all that the device offers but the event index, so that the tests
    /// need not say which used entry they want an interrupt for.
    pub fn start_simply(&mut self) {
        let offered = [0, 1].map(|page| {
            self.write(Register::DeviceFeaturesSel, page);
            u64::from(self.read(Register::DeviceFeatures)) << (32 * page)
        });
        assert_eq!(self.start((offered[0] | offered[1]) & !F_EVENT_IDX), 15);
    }

    /// Writes a descriptor of queue `index`.
    pub fn write_descriptor(&self, index: usize, at: u16, piece: Piece, next: u16) {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&piece.gpa.to_le_bytes());
        bytes[8..12].copy_from_slice(&piece.len.to_le_bytes());
        bytes[12..14].copy_from_slice(&piece.flags.to_le_bytes());
        bytes[14..].copy_from_slice(&next.to_le_bytes());
        let [desc, ..] = Self::areas(index);
        let at = GuestAddress(desc + 16 * u64::from(at));
        self.memory.write_slice(&bytes, at).expect("in memory");
    }

    /// Makes the chain that starts at `head` available.
    pub fn make_available(&self, index: usize, head: u16) {
        let [_, avail, _] = Self::areas(index);
        let count = GuestAddress(avail + 2);
        let next: u16 = self.memory.read_obj(count).expect("in memory");
        let entry = GuestAddress(avail + 4 + 2 * u64::from(next % QUEUE_SIZE));
        self.memory.write_obj(head, entry).expect("in memory");
        self.memory
            .write_obj(next.wrapping_add(1), count)
            .expect("in memory");
    }

    /// Makes a chain of `pieces` available, without notifying; returns its head. Descriptors are
    /// taken in turn, so no more than the queue has may be outstanding.
    pub fn offer(&mut self, index: usize, pieces: &[Piece]) -> u16 {
        let head = self.positions[index].0;
        for (at, piece) in pieces.iter().enumerate() {
            let this = (head + at as u16) % QUEUE_SIZE;
            let mut piece = *piece;
            if at + 1 < pieces.len() {
                piece.flags |= VRING_DESC_F_NEXT as u16;
            }
            self.write_descriptor(index, this, piece, (this + 1) % QUEUE_SIZE);
        }
        self.positions[index].0 = (head + pieces.len() as u16) % QUEUE_SIZE;
        self.make_available(index, head);
        head
    }

    /// Notifies queue `index`.
    pub fn notify(&self, index: usize) {
        self.write(Register::QueueNotify, index as u32);
    }

    /// Index of the used ring.
    pub fn used_index(&self, index: usize) -> u16 {
        let [_, _, used] = Self::areas(index);
        self.memory
            .read_obj(GuestAddress(used + 2))
            .expect("in memory")
    }

    /// Wants an interrupt when the used ring's entry `at` is there, by the event index (2.7.7.2).
    pub fn want_interrupt(&self, index: usize, at: u16) {
        // Behind the entries of the available ring.
        let used_event = Self::areas(index)[1] + 4 + 2 * u64::from(QUEUE_SIZE);
        self.poke(used_event, &at.to_le_bytes());
    }

    /// Used entries of the queue that [`Self::wait_used`] has returned, wrapping.
    pub fn seen(&self, index: usize) -> u16 {
        self.positions[index].1
    }

    /// Waits for the next used chain; returns its head and length.
    pub fn wait_used(&mut self, index: usize) -> (u32, u32) {
        let seen = self.positions[index].1;
        wait_for("a used chain", || self.used_index(index) != seen);
        let [_, _, used] = Self::areas(index);
        let entry = GuestAddress(used + 4 + 8 * u64::from(seen % QUEUE_SIZE));
        let [head, len]: [u32; 2] = self.memory.read_obj(entry).expect("in memory");
        self.positions[index].1 = seen.wrapping_add(1);
        (head, len)
    }

    /// Offers a chain, notifies, and waits until it is used; returns its used length.
    pub fn exchange(&mut self, index: usize, pieces: &[Piece]) -> u32 {
        let head = self.offer(index, pieces);
        self.notify(index);
        let (used, len) = self.wait_used(index);
        assert_eq!(used, u32::from(head), "the chain that was offered is used");
        len
    }

    /// Writes to memory.
    pub fn poke(&self, gpa: u64, bytes: &[u8]) {
        self.memory
            .write_slice(bytes, GuestAddress(gpa))
            .expect("in memory");
    }

    /// Reads from memory.
    pub fn peek(&self, gpa: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        self.memory
            .read_slice(&mut bytes, GuestAddress(gpa))
            .expect("in memory");
        bytes
    }
}

/// Waits until `done`, which is `what`; panics after a deadline.
pub fn wait_for(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < DEADLINE, "waited too long for {what}");
        thread::sleep(Duration::from_micros(50));
    }
}
