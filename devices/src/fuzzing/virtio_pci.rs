//! A virtio device as a PCI function: its BAR, its configuration space, its interrupts.

use super::Input;
use super::pci_config::access;
use crate::bus::{DeviceId, MmioBus, PioBus};
use crate::irq::{LevelInput, SharedLine};
use crate::pci::PciFunction;
use crate::pci::config::{BAR0, COMMAND};
use crate::pci::msix::{MsiMessage, MsiSink, Vector};
use crate::pci::root::{BarTarget, BarWiring, Root, SharedRoot};
use crate::pci::testing::{ECAM, WINDOWS, connect};
use crate::virtio::pci::spec::{BAR, MSIX_TABLE};
use crate::virtio::pci::{Interrupts, PciState, PciTransport, notify_offset};
use crate::virtio::rng::Rng;
use crate::virtio::testing::wait_for;
use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

const MEMORY_BYTES: usize = 1 << 16;
/// Descriptors, available ring, used ring, buffers.
const RINGS: [u64; 3] = [0x1000, 0x2000, 0x3000];
const BUFFERS: u64 = 0x4000;
const QUEUE_SIZE: u16 = 8;
const FUNCTION: u64 = ECAM + (1 << 15);
/// Offsets of capabilities, which do not move: MSI-X's control, the window.
const MSIX_CONTROL: u64 = 0x42;
const WINDOW: u64 = 0x90;
const DRIVER_OK: u8 = 4;
/// Where messages might be sent to.
const ADDRESSES: [u64; 8] = [
    0xfee0_0000,
    0xfee0_1000,
    0xfeef_f00c,
    0,
    0x1000,
    0xfec0_0000,
    0x1_fee0_0000,
    u64::MAX,
];

#[derive(Clone, Default)]
struct Line(Arc<AtomicBool>);

impl LevelInput for Line {
    fn set(&self, high: bool) {
        let before = self.0.swap(high, Ordering::SeqCst);
        assert_ne!(before, high, "set to what it was");
    }
}

/// Knows which vectors have a message.
#[derive(Default)]
struct Messages(BTreeSet<u16>);

impl MsiSink for Messages {
    fn route(&mut self, vector: u16, message: MsiMessage) -> io::Result<()> {
        let at = message.address;
        assert_eq!(at >> 20, 0xfee, "{at:#x} is no local APIC's");
        // As the host does, when it has no more of something.
        if message.data == 0xffff_ffff {
            return Err(io::Error::other("no room"));
        }
        self.0.insert(vector);
        Ok(())
    }

    fn trigger(&self, vector: u16) -> io::Result<()> {
        assert!(self.0.contains(&vector), "a vector without a message");
        Ok(())
    }
}

/// One as after power-on, with its line.
fn device(memory: &GuestMemoryMmap) -> io::Result<(PciTransport, Line)> {
    let line = Line::default();
    let interrupts = Interrupts {
        messages: Box::new(Messages::default()),
        intx: SharedLine::new(Box::new(line.clone())).join(),
        irq: 11,
    };
    let transport = PciTransport::new(Box::new(Rng::new()?), memory.clone(), interrupts)?;
    Ok((transport, line))
}

struct Machine {
    memory: GuestMemoryMmap,
    mmio: MmioBus,
    pio: PioBus,
    root: SharedRoot,
    transport: Arc<Mutex<PciTransport>>,
    line: Line,
}

impl Machine {
    fn new() -> io::Result<Self> {
        let ranges = [(GuestAddress(0), MEMORY_BYTES)];
        let memory = GuestMemoryMmap::from_ranges(&ranges).expect("64 KiB of memory");
        let (mut mmio, mut pio) = (MmioBus::default(), PioBus::default());
        let root = Root::new(mmio.moving(), pio.moving(), WINDOWS, DeviceId(1)).share();
        connect(&mut mmio, &mut pio, &root);
        let (transport, line) = device(&memory)?;
        let transport = Arc::new(Mutex::new(transport));
        let wiring = BarWiring {
            index: BAR,
            target: BarTarget::Memory(transport.clone()),
            on_move: Box::new(|_| {}),
        };
        let (function, id) = (transport.clone(), DeviceId(2));
        root.lock().add(function, id, "virtio", vec![wiring]);
        mmio.write(FUNCTION + u64::from(COMMAND), &6_u16.to_le_bytes());
        Ok(Self {
            memory,
            mmio,
            pio,
            root,
            transport,
            line,
        })
    }

    fn transport(&self) -> MutexGuard<'_, PciTransport> {
        self.transport.lock().expect("no panic")
    }

    /// Where the guest has put the BAR, whether it answers there or not.
    fn bar(&self) -> u64 {
        let mut data = [0; 4];
        self.mmio.read(FUNCTION + u64::from(BAR0), &mut data);
        u32::from_le_bytes(data).into()
    }

    /// Writes to the BAR.
    fn write(&self, offset: u64, data: &[u8]) {
        self.mmio.write(self.bar() + offset, data);
    }

    /// The handshake of a driver.
    fn start(&self, features: u32) {
        for status in [0, 1, 3] {
            self.write(0x14, &[status]);
        }
        for (page, features) in [(0_u32, features), (1, 1)] {
            self.write(0x08, &page.to_le_bytes());
            self.write(0x0c, &features.to_le_bytes());
        }
        self.write(0x14, &[11]);
        self.write(0x16, &[0, 0]);
        self.write(0x18, &QUEUE_SIZE.to_le_bytes());
        self.write(0x1a, &[1, 0]);
        for (offset, address) in (0x20..).step_by(8).zip(RINGS) {
            self.write(offset, &address.to_le_bytes());
        }
        self.write(0x1c, &[1, 0]);
        self.write(0x14, &[15]);
    }

    /// So many buffers for the device to fill, and a notification.
    fn offer(&self, count: u8, input: &mut Input) {
        let [table, available, _] = RINGS;
        let len = u64::from(input.word());
        let descriptor = [BUFFERS + len, len | 2 << 32];
        for index in 0..u64::from(QUEUE_SIZE) {
            self.poke(table + 16 * index, &descriptor.map(u64::to_le_bytes));
            self.poke(available + 4 + 2 * index, &[(index as u16).to_le_bytes()]);
        }
        let at = GuestAddress(available + 2);
        let next: u16 = self.memory.read_obj(at).expect("in memory");
        let next = next.wrapping_add(u16::from(count % 8));
        self.poke(at.0, &[next.to_le_bytes()]);
        self.write(notify_offset(0), &[0, 0]);
    }

    fn poke<const N: usize>(&self, at: u64, parts: &[[u8; N]]) {
        let bytes = parts.as_flattened();
        let written = self.memory.write_slice(bytes, GuestAddress(at));
        written.expect("in memory");
    }

    /// Sets a table entry up, as a driver does or by halves.
    fn message(&self, input: &mut Input) {
        let (vector, what) = (u64::from(input.byte() % 3), input.byte());
        let address = ADDRESSES[usize::from(what) % ADDRESSES.len()];
        let entry = u64::from(MSIX_TABLE) + 16 * vector;
        self.write(entry, &address.to_le_bytes());
        let data = match what >> 4 {
            0 => u32::MAX,
            data => data.into(),
        };
        self.write(entry + 8, &data.to_le_bytes());
        self.write(entry + 12, &[what >> 3 & 1, 0, 0, 0]);
    }

    /// Reads or writes through the window in configuration space.
    fn window(&self, input: &mut Input) {
        let (what, offset) = (input.byte(), u32::from(input.word()));
        let mut data = input.bytes::<4>();
        let length = [1, 2, 4, 3][usize::from(what & 3)];
        let config = FUNCTION + WINDOW;
        self.mmio.write(config + 4, &[what >> 6 & 1]);
        self.mmio.write(config + 8, &offset.to_le_bytes());
        self.mmio.write(config + 12, &u32::to_le_bytes(length));
        let data = &mut data[..length as usize];
        if what & 8 == 0 {
            self.mmio.read(config + 16, data);
        } else {
            self.mmio.write(config + 16, data);
        }
    }

    /// Another device takes the state over, and it comes out again.
    fn save_and_restore(&mut self) {
        let mut transport = self.transport.lock().expect("no panic");
        // Fails when the rings have been spoilt meanwhile.
        let Ok(state) = transport.save() else { return };
        (*transport, self.line) = device(&self.memory).expect("events");
        let restored = transport.restore(&state);
        restored.expect("it ran with this state");
        let again = transport.save().expect("it ran with this state");
        drop(transport);
        self.root.lock().settle();
        if state.handshake.status & DRIVER_OK == 0 {
            assert_eq!(again, state);
        } else {
            assert_eq!(without_progress(&again), without_progress(&state));
        }
    }

    /// The line is high while there is a reason that it is to show.
    fn check_line(&self) {
        wait_for("the line", || {
            let mut transport = self.transport();
            let mut read = |at| transport.read_config(at, crate::bus::Width::Word);
            let status = read(COMMAND + 2);
            let disabled = read(COMMAND) & 1 << 10 != 0 || read(MSIX_CONTROL as u16) >> 15 != 0;
            let wanted = status & 1 << 3 != 0 && !disabled;
            self.line.0.load(Ordering::SeqCst) == wanted
        });
    }
}

/// A state without what a device at work changes.
fn without_progress(state: &PciState) -> PciState {
    let mut state = state.clone();
    state.handshake.interrupt_status = 0;
    state.handshake.needs_reset = false;
    for queue in &mut state.handshake.queues {
        queue.next = 0;
    }
    let not_pending = |vector: &Vector| Vector {
        pending: false,
        ..*vector
    };
    state.msix.vectors = state.msix.vectors.iter().map(not_pending).collect();
    state
}

/// virtio-rng behind the registers of a PCI function.
pub fn virtio_pci(data: &[u8]) {
    let mut machine = Machine::new().expect("events");
    let mut input = Input(data);
    while !input.is_empty() {
        match input.byte() & 0xf {
            0 | 1 => access(&machine.mmio, &machine.pio, machine.bar(), &mut input),
            2 => access(&machine.mmio, &machine.pio, FUNCTION, &mut input),
            3 => machine.start(input.word().into()),
            4 => machine.message(&mut input),
            5 => machine.offer(input.byte(), &mut input),
            6 => machine.window(&mut input),
            7 => {
                let at = u64::from(input.word()) & 0x7ff0;
                machine.poke(at, &[input.bytes::<8>()]);
            }
            8 => {
                let control = [0, input.byte()];
                machine.mmio.write(FUNCTION + MSIX_CONTROL, &control);
            }
            9 => machine.save_and_restore(),
            10 => {
                let command = [input.byte() | 2, input.byte()];
                machine.mmio.write(FUNCTION + u64::from(COMMAND), &command);
            }
            11 => {
                let base = 0xc000_0000 | u32::from(input.word()) << 14;
                let bar = FUNCTION + u64::from(BAR0);
                machine.mmio.write(bar, &base.to_le_bytes());
            }
            12 => machine.check_line(),
            _ => machine.write(notify_offset(0), &[input.byte()]),
        }
    }
}
