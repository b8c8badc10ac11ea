use super::signal::PciSignal;
use super::spec::{self, NO_VECTOR};
use super::{Interrupts, PciTransport, notify_offset, vector_count};
use crate::bus::{MmioDevice, Width};
use crate::irq::{LevelInput, SharedLine};
use crate::pci::PciFunction;
use crate::pci::msix::{MsiMessage, MsiSink, Msix};
use crate::virtio::rng::Rng;
use crate::virtio::testing::wait_for;
use crate::virtio::{F_VERSION_1, Reasons, Signal};
use crate::work::Working;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

const MEMORY_BYTES: usize = 1 << 20;
const DESC: u64 = 0x1000;
const AVAIL: u64 = 0x2000;
const USED: u64 = 0x3000;
const BUFFER: u64 = 0x4000;
const SIZE: u16 = 8;
/// Status of a driver that works: ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK.
const WORKING: u64 = 15;

#[derive(Clone, Default)]
struct Line(Arc<AtomicBool>);

impl LevelInput for Line {
    fn set(&self, high: bool) {
        self.0.store(high, Ordering::SeqCst);
    }
}

/// Counts messages by vector 0 and 1.
#[derive(Clone, Default)]
struct Messages(Arc<[AtomicU32; 2]>);

impl MsiSink for Messages {
    fn route(&mut self, _vector: u16, _message: MsiMessage) -> io::Result<()> {
        Ok(())
    }

    fn trigger(&self, vector: u16) -> io::Result<()> {
        self.0[usize::from(vector)].fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// A virtio-rng and its driver.
struct Guest {
    memory: GuestMemoryMmap,
    device: PciTransport,
    line: Line,
    messages: Messages,
}

impl Guest {
    fn new() -> Self {
        let ranges = [(GuestAddress(0), MEMORY_BYTES)];
        let memory = GuestMemoryMmap::from_ranges(&ranges).unwrap();
        let (line, messages) = (Line::default(), Messages::default());
        let interrupts = Interrupts {
            messages: Box::new(messages.clone()),
            intx: SharedLine::new(Box::new(line.clone())).join(),
            irq: 11,
        };
        let rng = Box::new(Rng::new().unwrap());
        let device = PciTransport::new(rng, memory.clone(), interrupts).unwrap();
        Self {
            memory,
            device,
            line,
            messages,
        }
    }

    fn write(&mut self, offset: u64, width: Width, value: u64) {
        self.device.mmio_write(offset, width, value);
    }

    fn read(&mut self, offset: u64, width: Width) -> u64 {
        self.device.mmio_read(offset, width)
    }

    /// Up to DRIVER_OK, with queue 0 at those addresses.
    fn start(&mut self) {
        for status in [1, 3] {
            self.write(0x14, Width::Byte, status);
        }
        self.write(0x08, Width::Dword, 1);
        self.write(0x0c, Width::Dword, F_VERSION_1 >> 32);
        self.write(0x14, Width::Byte, 11);
        self.write(0x18, Width::Word, SIZE.into());
        for (offset, address) in [(0x20, DESC), (0x28, AVAIL), (0x30, USED)] {
            self.write(offset, Width::Dword, address);
            self.write(offset + 4, Width::Dword, 0);
        }
        self.write(0x1c, Width::Word, 1);
        self.write(0x14, Width::Byte, WORKING);
        assert_eq!(self.read(0x14, Width::Byte), WORKING);
    }

    /// Turns MSI-X on, with vector 1 for the queue and 0 for the configuration.
    fn use_messages(&mut self) {
        self.device
            .write_config(self.device.msix_control, Width::Word, 1 << 15);
        for vector in [0, 1] {
            let entry = u64::from(spec::MSIX_TABLE) + 16 * vector;
            self.write(entry, Width::Dword, 0xfee0_0000);
            self.write(entry + 8, Width::Dword, 0x30 + vector);
            self.write(entry + 12, Width::Dword, 0);
        }
        self.write(0x10, Width::Word, 0);
        self.write(0x1a, Width::Word, 1);
    }

    /// Asks for 16 random bytes, as the driver's `count`th request.
    fn request(&mut self, count: u16) {
        let descriptor = [BUFFER, 16 | 2 << 32];
        self.memory
            .write_obj(descriptor, GuestAddress(DESC))
            .unwrap();
        self.memory
            .write_obj(count, GuestAddress(AVAIL + 2))
            .unwrap();
        self.write(notify_offset(0), Width::Word, 0);
        let used = || self.memory.read_obj::<u16>(GuestAddress(USED + 2)).unwrap();
        wait_for("the device", || used() == count);
    }
}

#[test]
fn capabilities_name_every_structure_inside_the_bar() {
    let mut guest = Guest::new();
    assert_eq!(guest.device.read_config(0, Width::Dword), 0x1044_1af4);
    let mut at = guest.device.read_config(0x34, Width::Byte) as u16;
    let (mut kinds, mut msix) = (Vec::new(), 0);
    while at != 0 {
        match guest.device.read_config(at, Width::Byte) {
            0x09 => {
                let field =
                    |guest: &mut Guest, offset| guest.device.read_config(at + offset, Width::Dword);
                let kind = guest.device.read_config(at + 3, Width::Byte);
                let (offset, length) = (field(&mut guest, 8), field(&mut guest, 12));
                assert!(offset + length <= spec::BAR_BYTES, "{kind}");
                kinds.push(kind);
            }
            0x11 => msix = guest.device.read_config(at + 2, Width::Word) & 0x7ff,
            other => panic!("capability {other:#x}"),
        }
        at = guest.device.read_config(at + 1, Width::Byte) as u16;
    }
    kinds.sort_unstable();
    assert_eq!(kinds, [1, 2, 3, 4, 5]);
    assert_eq!(msix + 1, u32::from(vector_count(1)));
}

#[test]
fn a_request_comes_back_with_an_interrupt_line_that_reading_the_reasons_lowers() {
    let mut guest = Guest::new();
    guest.start();
    guest.request(1);
    wait_for("the line", || guest.line.0.load(Ordering::SeqCst));
    assert_eq!(
        guest.device.read_config(4, Width::Dword) >> 19 & 1,
        1,
        "interrupt status"
    );
    assert_eq!(guest.read(0x100, Width::Byte), 1);
    assert!(!guest.line.0.load(Ordering::SeqCst));
    assert_eq!(guest.read(0x100, Width::Byte), 0);
}

#[test]
fn with_msi_x_each_queue_sends_its_own_message_and_the_line_is_quiet() {
    let mut guest = Guest::new();
    guest.use_messages();
    guest.start();
    guest.request(1);
    let messages = guest.messages.clone();
    wait_for("the message", || messages.0[1].load(Ordering::SeqCst) == 1);
    assert_eq!(messages.0[0].load(Ordering::SeqCst), 0);
    assert!(!guest.line.0.load(Ordering::SeqCst));
}

#[test]
fn a_disabled_line_rises_when_it_is_enabled_again() {
    let mut guest = Guest::new();
    guest.device.write_config(4, Width::Word, 1 << 10);
    guest.start();
    guest.request(1);
    assert!(!guest.line.0.load(Ordering::SeqCst));
    guest.device.write_config(4, Width::Word, 0);
    assert!(guest.line.0.load(Ordering::SeqCst));
}

#[test]
fn vectors_that_are_not_there_read_back_as_none_and_a_reset_clears_all() {
    let mut guest = Guest::new();
    for (offset, vector) in [(0x10, 2), (0x1a, 0x7fff)] {
        guest.write(offset, Width::Word, vector);
        assert_eq!(guest.read(offset, Width::Word), u64::from(NO_VECTOR));
        guest.write(offset, Width::Word, 1);
        assert_eq!(guest.read(offset, Width::Word), 1);
    }
    guest.start();
    guest.write(0x14, Width::Byte, 0);
    assert_eq!(guest.read(0x14, Width::Byte), 0);
    for offset in [0x10, 0x1a] {
        assert_eq!(guest.read(offset, Width::Word), u64::from(NO_VECTOR));
    }
    assert_eq!(guest.read(0x20, Width::Dword), 0, "the queue's address");
}

#[test]
fn a_queue_that_is_not_there_has_no_size_and_takes_nothing() {
    let mut guest = Guest::new();
    guest.write(0x16, Width::Word, 1);
    assert_eq!(guest.read(0x18, Width::Word), 0);
    guest.write(0x18, Width::Word, 8);
    guest.write(0x1c, Width::Word, 1);
    guest.write(notify_offset(1), Width::Word, 1);
    guest.write(notify_offset(500), Width::Dword, 500);
    assert_eq!(guest.device.refused(), 4);
}

#[test]
fn registers_take_their_own_width_only() {
    let mut guest = Guest::new();
    guest.write(0x14, Width::Dword, 1);
    guest.write(0x15, Width::Byte, 1);
    guest.write(0x16, Width::Byte, 1);
    assert_eq!(guest.read(0x14, Width::Byte), 0);
    assert_eq!(guest.read(0x00, Width::Word), 0);
    assert_eq!(guest.device.refused(), 3);
}

#[test]
fn the_window_in_configuration_space_reaches_the_bar_and_no_further() {
    let mut guest = Guest::new();
    let window = guest.device.window;
    let mut show = |offset: u32, length: u32| {
        guest.device.write_config(window + 4, Width::Byte, 0);
        guest.device.write_config(window + 8, Width::Dword, offset);
        guest.device.write_config(window + 12, Width::Dword, length);
        let width = match length {
            1 => Width::Byte,
            2 => Width::Word,
            _ => Width::Dword,
        };
        guest.device.read_config(window + 16, width)
    };
    assert_eq!(show(0x12, 2), 1, "number of queues");
    assert_eq!(show(0x4000, 4), 0);
    assert_eq!(show(0xffff_fffc, 4), 0);
    assert_eq!(show(0x13, 2), 0, "misaligned");
    assert_eq!(show(0x14, 3), 0);
    show(0x14, 1);
    guest.device.write_config(window + 16, Width::Byte, 1);
    assert_eq!(
        guest.read(0x14, Width::Byte),
        1,
        "status written through it"
    );
}

#[test]
fn state_survives_save_and_restore_and_work_goes_on() {
    let mut guest = Guest::new();
    guest.use_messages();
    guest.start();
    guest.request(1);
    let state = guest.device.save().unwrap();
    let mut other = Guest::new();
    let mut all = vec![0; MEMORY_BYTES];
    guest.memory.read_slice(&mut all, GuestAddress(0)).unwrap();
    other.memory.write_slice(&all, GuestAddress(0)).unwrap();
    other.device.restore(&state).unwrap();
    assert_eq!(other.device.save().unwrap(), state);
    other.request(2);
    let messages = other.messages.clone();
    wait_for("the message", || messages.0[1].load(Ordering::SeqCst) > 0);
}

#[test]
fn every_offset_takes_every_width_and_value() {
    let mut guest = Guest::new();
    for offset in (0..u64::from(spec::BAR_BYTES)).step_by(2) {
        for width in [Width::Byte, Width::Word, Width::Dword] {
            guest.read(offset, width);
            guest.write(offset, width, u64::MAX >> (64 - 8 * width.bytes()));
        }
    }
    for register in 0..300 {
        guest.device.write_config(register, Width::Byte, 0xff);
        guest.device.read_config(register, Width::Dword);
    }
}

#[test]
fn a_disabled_line_is_low_after_restore_and_a_pending_reason_raises_it_otherwise() {
    let mut guest = Guest::new();
    guest.start();
    guest.request(1);
    wait_for("the line", || guest.line.0.load(Ordering::SeqCst));
    let enabled = guest.device.save().unwrap();
    guest.device.write_config(4, Width::Word, 1 << 10);
    let disabled = guest.device.save().unwrap();
    for (state, high) in [(&enabled, true), (&disabled, false), (&enabled, true)] {
        guest.device.restore(state).unwrap();
        assert_eq!(guest.line.0.load(Ordering::SeqCst), high);
        assert_eq!(guest.device.save().unwrap(), *state);
    }
}

#[test]
fn restore_sends_no_message_and_makes_none_pending() {
    let mut guest = Guest::new();
    guest.use_messages();
    guest.start();
    guest.request(1);
    let messages = guest.messages.clone();
    wait_for("the message", || messages.0[1].load(Ordering::SeqCst) == 1);
    let status = guest.device.read_config(4, Width::Dword);
    assert_eq!(status >> 19 & 1, 0, "no INTx wants to be seen");
    let masked = (1 << 15) | (1 << 14);
    guest
        .device
        .write_config(guest.device.msix_control, Width::Word, masked);
    let state = guest.device.save().unwrap();
    guest.device.restore(&state).unwrap();
    assert_eq!(guest.device.save().unwrap(), state);
    assert_eq!(messages.0[0].load(Ordering::SeqCst), 0);
    assert!(!guest.line.0.load(Ordering::SeqCst));
}

/// The driver reads the reasons while the device finds new ones: whoever is last, the line says
/// whether there are any.
#[test]
fn the_line_is_high_exactly_while_there_are_reasons_whoever_comes_between() {
    let line = Line::default();
    let intx = SharedLine::new(Box::new(line.clone())).join();
    let msix = Msix::new(1, Box::new(Messages::default()));
    let (signal, reasons) = (PciSignal::new(msix, intx, 1), Reasons::new(0));
    signal.used(0, &reasons).unwrap();
    assert!(!line.0.load(Ordering::SeqCst), "taken before it was raised");
    for round in 0..300 {
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..200 {
                    reasons.fetch_or(1, Ordering::SeqCst);
                    signal.used(0, &reasons).unwrap();
                }
            });
            // Some rounds end with a reason, some without.
            for _ in 0..100 + round {
                signal.take(&reasons);
            }
        });
        let wanted = reasons.load(Ordering::SeqCst) != 0;
        assert_eq!(line.0.load(Ordering::SeqCst), wanted, "round {round}");
    }
}

#[test]
fn features_that_are_not_agreed_on_yet_are_saved_whatever_they_are() {
    let mut guest = Guest::new();
    guest.write(0x0c, Width::Dword, 0xffff_ffff);
    let state = guest.device.save().unwrap();
    guest.device.restore(&state).unwrap();
    assert_eq!(guest.read(0x0c, Width::Dword), 0xffff_ffff);
    let mut agreed = state;
    agreed.handshake.status = 11;
    assert!(guest.device.restore(&agreed).is_err());
}
