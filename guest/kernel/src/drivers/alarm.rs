//! The alarm of Hostel (`abi::alarm`), to measure interrupts by each way that they can take.
//!
//! | device | its interrupt comes by | and is ended by |
//! |---|---|---|
//! | `alarm-pic` | the PIC, through the local APIC's LINT0 | a write to the PIC |
//! | `alarm-ioapic` | the IOAPIC | the local APIC |
//! | `alarm-msix` | a message | the local APIC |
//! | `alarm-pv-eoi` | a message | a word of memory, where KVM agrees |
//!
//! A read sets the alarm, waits for it and gives three numbers: the time-stamp counter before it
//! was set and in the first instruction of its handler, and how many nanoseconds the alarm before
//! it was to wait (which costs an access, and so is not asked in time). A write of anything puts
//! the controllers back to what they are without an alarm. Both are for the first processor.

use super::lazy::Lazy;
use super::pci::{self, Function, Msix, bar, capabilities};
use super::pinned::fill;
use super::{CharDevice, Segment};
use crate::arch::{clock, cpu_id, ioapic, kvm, pic};
use crate::irq;
use crate::mm::{MmioRegion, PhysAddr};
use crate::sched::WaitQueue;
use crate::sync::Mutex;
use crate::time::deadline;
use abi::alarm::{BAR_BYTES, DELAY, ID, LINE, MESSAGE, START};
use abi::syscall::{Errno, IoMode};
use core::sync::atomic::{AtomicU64, Ordering};

/// Long enough for the processor to come to rest before.
const DELAY_US: u32 = 5000;
/// An interrupt that has not come by then is lost.
const TIMEOUT_NS: u64 = 10_000_000_000;

/// How the interrupt comes, and is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Pic,
    Ioapic,
    Message,
    PvEoi,
}

/// One way.
struct Alarm {
    name: &'static str,
    way: Way,
}

static ALARMS: [Alarm; 4] = [
    Alarm {
        name: "alarm-pic",
        way: Way::Pic,
    },
    Alarm {
        name: "alarm-ioapic",
        way: Way::Ioapic,
    },
    Alarm {
        name: "alarm-msix",
        way: Way::Message,
    },
    Alarm {
        name: "alarm-pv-eoi",
        way: Way::PvEoi,
    },
];

static HARDWARE: Lazy<Option<Mutex<Hardware>>> = Lazy::new();
/// The time-stamp counter when the handler began; 0 before.
static HANDLED: AtomicU64 = AtomicU64::new(0);
static WAITERS: WaitQueue = WaitQueue::new();

/// The device of that name, if the machine has it.
pub(super) fn device(name: &str) -> Option<&'static dyn CharDevice> {
    let alarm = ALARMS.iter().find(|alarm| alarm.name == name)?;
    if alarm.way == Way::PvEoi && !kvm::has(kvm::Feature::EndOfInterrupt) {
        return None;
    }
    hardware().map(|_| alarm as &dyn CharDevice)
}

fn hardware() -> Option<&'static Mutex<Hardware>> {
    let make = || Hardware::find().map(Mutex::new);
    HARDWARE.get_or_make(make).as_ref()
}

fn handle(_argument: usize) {
    HANDLED.store(clock::tsc(), Ordering::Release);
    WAITERS.wake_all();
}

/// The function, and which way is open.
struct Hardware {
    registers: MmioRegion,
    open: Option<Way>,
}

impl Hardware {
    fn find() -> Option<Self> {
        let function = pci::find(u32::from(ID.1) << 16 | u32::from(ID.0))?;
        let address = bar(&function, 0, 0, BAR_BYTES.into())?;
        let registers = MmioRegion::map(PhysAddr(address), BAR_BYTES.into())?;
        Self::connect(&function).then_some(Self {
            registers,
            open: None,
        })
    }

    /// Registers the handler for line and message, the line closed.
    fn connect(function: &Function) -> bool {
        let msix = capabilities(function).find_map(|found| Msix::parse(function, found));
        let (Some(msix), Some(message)) = (msix, irq::register_message(handle, 0)) else {
            return false;
        };
        function.enable();
        if !msix.enable(function, &[message]) || !irq::register(LINE.into(), handle, 0) {
            return false;
        }
        ioapic::mask(LINE.into());
        true
    }

    /// Leads the interrupt that way, or no way.
    fn lead(&mut self, way: Option<Way>) -> Result<(), Errno> {
        if self.open == way {
            return Ok(());
        }
        match self.open.take() {
            Some(Way::Pic) => pic::close(),
            Some(Way::Ioapic) => ioapic::mask(LINE.into()),
            Some(Way::PvEoi) => kvm::stop_eoi(),
            Some(Way::Message) | None => {}
        }
        let is_open = match way {
            Some(Way::Pic) => pic::open(LINE),
            Some(Way::Ioapic) => ioapic::route(LINE.into(), ioapic::Trigger::Edge),
            Some(Way::PvEoi) => {
                kvm::start_eoi();
                true
            }
            Some(Way::Message) | None => true,
        };
        self.open = way.filter(|_| is_open);
        is_open.then_some(()).ok_or(Errno::Io)
    }

    /// Sets the alarm, and waits for it.
    fn ring(&mut self, way: Way) -> Result<[u64; 3], Errno> {
        self.lead(Some(way))?;
        let before_ns = self.registers.read32(DELAY);
        let message = match way {
            Way::Pic | Way::Ioapic => 0,
            Way::Message | Way::PvEoi => MESSAGE,
        };
        HANDLED.store(0, Ordering::Relaxed);
        let end = deadline(TIMEOUT_NS);
        let started = clock::tsc();
        self.registers.write32(START, DELAY_US | message);
        let has_come = WAITERS.wait_until_deadline(|| HANDLED.load(Ordering::Acquire) != 0, end);
        if !has_come {
            return Err(Errno::Io);
        }
        let handled = HANDLED.load(Ordering::Relaxed);
        Ok([started, handled, before_ns.into()])
    }
}

/// The hardware, for a thread on the first processor, whose interrupts they are.
fn on_first_processor() -> Result<&'static Mutex<Hardware>, Errno> {
    match cpu_id() {
        0 => hardware().ok_or(Errno::Io),
        _ => Err(Errno::Inval),
    }
}

impl CharDevice for Alarm {
    fn write(&self, from: &[Segment], _mode: IoMode) -> Result<usize, Errno> {
        on_first_processor()?.lock().lead(None)?;
        Ok(from.iter().map(Segment::len).sum())
    }

    fn read(&self, to: &[Segment], _mode: IoMode) -> Result<usize, Errno> {
        let numbers = on_first_processor()?.lock().ring(self.way)?;
        Ok(fill(to, numbers.map(u64::to_le_bytes).as_flattened()))
    }
}
