//! [`Root`]: bus 0, with the host bridge as its device 0.
//!
//! BARs are on the buses while they decode addresses inside the bridge's windows. One that the
//! guest puts elsewhere, or over another's, answers nothing until it is moved again; memory and the
//! machine's own devices come first wherever it is.

use super::PciFunction;
use super::config::{BAR0, BARS_END, BarKind, COMMAND, ConfigSpace, Identity};
use crate::bus::{BusRange, DeviceId, MmioDevice, Moving, PioDevice, Width};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Devices of a bus.
pub const MAX_FUNCTIONS: usize = 32;

/// The bridge: a PCI Express host bridge without registers of its own, as Red Hat numbers it.
const BRIDGE: Identity = Identity {
    vendor: 0x1b36,
    device: 0x0008,
    class: [0x06, 0x00, 0x00],
    revision: 0,
    subsystem: (0x1af4, 0x1100),
};

/// What answers the addresses of a BAR.
#[derive(Clone)]
pub enum BarTarget {
    /// Memory.
    Memory(Arc<Mutex<dyn MmioDevice>>),
    /// Ports.
    Io(Arc<Mutex<dyn PioDevice>>),
}

/// Called when a BAR begins to answer at an address, and with nothing when it ends to.
pub type OnMove = Box<dyn FnMut(Option<u64>) + Send>;

/// A BAR, and what is to know where it is.
pub struct BarWiring {
    /// Its index.
    pub index: usize,
    /// Who answers.
    pub target: BarTarget,
    /// Moves doorbells.
    pub on_move: OnMove,
}

/// Addresses that the bridge passes on to the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Memory, below 4 GiB.
    pub memory: BusRange,
    /// Ports.
    pub io: BusRange,
}

struct Slot {
    function: Arc<Mutex<dyn PciFunction>>,
    id: DeviceId,
    name: String,
    bars: Vec<Bar>,
}

struct Bar {
    wiring: BarWiring,
    /// Where it answers.
    mapped: Option<u64>,
}

/// The bus.
pub struct Root {
    mmio: Moving<dyn MmioDevice>,
    pio: Moving<dyn PioDevice>,
    windows: Windows,
    /// Next free addresses, for BARs that are placed before the guest starts.
    free: Windows,
    slots: Vec<Slot>,
}

/// The bus as both ways into it share it.
#[derive(Clone)]
pub struct SharedRoot(Arc<Mutex<Root>>);

impl SharedRoot {
    /// Its lock. Those of functions and buses come after it.
    pub fn lock(&self) -> MutexGuard<'_, Root> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Bridge(ConfigSpace);

impl PciFunction for Bridge {
    fn config(&self) -> &ConfigSpace {
        &self.0
    }

    fn config_mut(&mut self) -> &mut ConfigSpace {
        &mut self.0
    }
}

fn lock(function: &Mutex<dyn PciFunction>) -> MutexGuard<'_, dyn PciFunction + 'static> {
    function.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Root {
    /// A bus with the bridge alone, which passes `windows` on; BARs go on those buses.
    pub fn new(
        mmio: Moving<dyn MmioDevice>,
        pio: Moving<dyn PioDevice>,
        windows: Windows,
        id: DeviceId,
    ) -> Self {
        let bridge = Arc::new(Mutex::new(Bridge(ConfigSpace::new(BRIDGE))));
        let slot = Slot {
            function: bridge,
            id,
            name: "pci".to_owned(),
            bars: Vec::new(),
        };
        Self {
            mmio,
            pio,
            windows,
            free: windows,
            slots: vec![slot],
        }
    }

    /// To be accessed.
    pub fn share(self) -> SharedRoot {
        SharedRoot(Arc::new(Mutex::new(self)))
    }

    /// Number of the next device; none when the bus is full.
    pub fn next_device(&self) -> Option<u8> {
        let next = self.slots.len();
        u8::try_from(next).ok().filter(|_| next < MAX_FUNCTIONS)
    }

    /// Puts a function on the bus, as device [`Self::next_device`], with its BARs placed; they
    /// decode nothing until the guest turns them on.
    ///
    /// # Panics
    /// When the bus or a window of the bridge is full.
    pub fn add(
        &mut self,
        function: Arc<Mutex<dyn PciFunction>>,
        id: DeviceId,
        name: &str,
        wirings: Vec<BarWiring>,
    ) {
        assert!(self.next_device().is_some(), "the bus has room");
        for wiring in &wirings {
            let mut function = lock(&function);
            let config = function.config_mut();
            let (kind, size) = config.bar(wiring.index).expect("the function has that BAR");
            let free = match kind {
                BarKind::Memory => &mut self.free.memory,
                BarKind::Io => &mut self.free.io,
            };
            let base = free.base.next_multiple_of(size.into());
            let end = base + u64::from(size);
            let left = (free.base + free.len).checked_sub(end);
            *free = BusRange {
                base: end,
                len: left.expect("32 functions fit into the windows"),
            };
            config.place_bar(wiring.index, base as u32);
        }
        let bars = wirings.into_iter().map(|wiring| Bar {
            wiring,
            mapped: None,
        });
        self.slots.push(Slot {
            function,
            id,
            name: name.to_owned(),
            bars: bars.collect(),
        });
    }

    /// The slot of a bus, device and function number, if something is there.
    fn slot(&self, function: u16) -> Option<&Slot> {
        let device = usize::from(function >> 3);
        self.slots.get(device).filter(|_| function & 7 == 0)
    }

    /// A read of configuration space; ones where no function is. Inside a function there is nothing
    /// beyond the conventional registers.
    pub fn read(&self, function: u16, register: u16, width: Width) -> u32 {
        match self.slot(function) {
            Some(slot) => lock(&slot.function).read_config(register, width),
            None => u32::MAX,
        }
    }

    /// A write to configuration space.
    pub fn write(&mut self, function: u16, register: u16, width: Width, value: u32) {
        let Some(slot) = self.slot(function) else {
            return;
        };
        lock(&slot.function).write_config(register, width, value);
        if register & !3 == COMMAND || (BAR0..BARS_END).contains(&register) {
            self.settle();
        }
    }

    /// Brings the buses in line with what BARs decode: first those that go, then those that come,
    /// which may be ones that had no room before.
    pub fn settle(&mut self) {
        for slot in &mut self.slots {
            for bar in &mut slot.bars {
                let wanted = wanted(&slot.function, bar.wiring.index, &self.windows);
                let Some(base) = bar
                    .mapped
                    .filter(|base| wanted.is_none_or(|w| w.base != *base))
                else {
                    continue;
                };
                match bar.wiring.target {
                    BarTarget::Memory(_) => self.mmio.unmap(base),
                    BarTarget::Io(_) => self.pio.unmap(base),
                }
                bar.mapped = None;
                (bar.wiring.on_move)(None);
            }
        }
        for slot in &mut self.slots {
            for bar in slot.bars.iter_mut().filter(|bar| bar.mapped.is_none()) {
                let Some(range) = wanted(&slot.function, bar.wiring.index, &self.windows) else {
                    continue;
                };
                let mapped = match bar.wiring.target.clone() {
                    BarTarget::Memory(device) => self.mmio.map(range, slot.id, &slot.name, device),
                    BarTarget::Io(device) => self.pio.map(range, slot.id, &slot.name, device),
                };
                match mapped {
                    Ok(()) => {
                        bar.mapped = Some(range.base);
                        (bar.wiring.on_move)(bar.mapped);
                    }
                    Err(error) => log::debug!("PCI: {error}"),
                }
            }
        }
    }
}

/// Where a BAR is to answer.
fn wanted(function: &Mutex<dyn PciFunction>, index: usize, windows: &Windows) -> Option<BusRange> {
    let (kind, range) = lock(function).config().decoded(index)?;
    let window = match kind {
        BarKind::Memory => windows.memory,
        BarKind::Io => windows.io,
    };
    window.contains(range).then_some(range)
}
