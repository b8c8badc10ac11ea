//! Configuration space by both ways, with two functions whose BARs move about on real buses.

use super::Input;
use crate::bus::{BusRange, DeviceId, MmioBus, PioBus};
use crate::pci::config::{BAR0, BarKind, COMMAND, ConfigSpace, Identity};
use crate::pci::ports;
use crate::pci::root::{BarTarget, BarWiring, OnMove, Root, SharedRoot};
use crate::pci::testing::{ECAM, Numbered, WINDOWS, connect};
use std::array;
use std::sync::{Arc, Mutex};

/// Devices 1 and 2, with BARs of these kinds and sizes; none fills what it decodes.
const FUNCTIONS: usize = 2;
const BARS: [(BarKind, u32); 3] = [
    (BarKind::Memory, 0x4000),
    (BarKind::Io, 0x20),
    (BarKind::Memory, 0x10_0000),
];
/// Places that BARs had better not be, and some where they meet.
const PLACES: [u32; 16] = [
    0,
    0x1000,
    0x10_0000,
    0xbfff_f000,
    0xc000_0000,
    0xc000_4000,
    0xc010_0000,
    0xcfff_c000,
    0xcff0_0000,
    0xd000_0000,
    0xe000_0000,
    0xfec0_0000,
    0xfee0_0000,
    0xffff_c000,
    0xffff_ffe0,
    0x3f8,
];

/// Where each BAR was last said to be.
type Told = Arc<Mutex<[Option<u64>; BARS.len()]>>;

struct Machine {
    mmio: MmioBus,
    pio: PioBus,
    root: SharedRoot,
    functions: [(Arc<Mutex<Numbered>>, Told); FUNCTIONS],
}

/// An access of any width to any port of the two registers, or to memory from `base` on.
pub(super) fn access(mmio: &MmioBus, pio: &PioBus, base: u64, input: &mut Input) {
    let (what, offset) = (input.byte(), input.word());
    let mut data = input.bytes::<8>();
    let port = ports::BASE.wrapping_add(offset % 8);
    let address = base + u64::from(offset);
    let (byport, bymemory) = (1 << (what & 3).min(2), 1 << (what & 3));
    match what >> 6 {
        0 => drop(pio.read(port, &mut data[..byport])),
        1 => drop(pio.write(port, &data[..byport])),
        2 => drop(mmio.read(address, &mut data[..bymemory])),
        _ => drop(mmio.write(address, &data[..bymemory])),
    }
}

impl Machine {
    fn new() -> Self {
        let (mut mmio, mut pio) = (MmioBus::default(), PioBus::default());
        let root = Root::new(mmio.moving(), pio.moving(), WINDOWS, DeviceId(1)).share();
        connect(&mut mmio, &mut pio, &root);
        let functions = array::from_fn(|index| add(&root, 1 + index as u8));
        Self {
            mmio,
            pio,
            root,
            functions,
        }
    }

    fn write(&self, device: u8, register: u16, value: u32) {
        let address = ECAM + (u64::from(device) << 15) + u64::from(register);
        self.mmio.write(address, &value.to_le_bytes());
    }

    fn save_and_restore(&self) {
        for (function, _) in &self.functions {
            let mut function = function.lock().expect("no panic");
            let state = function.0.save();
            function.0 = config(function.1);
            function.0.restore(&state);
            assert_eq!(function.0.save(), state);
        }
        self.root.lock().settle();
    }

    /// Who answers in memory or at a port.
    fn answers(&self, kind: BarKind, address: u64) -> u8 {
        let mut data = [0];
        match kind {
            BarKind::Memory => self.mmio.read(address, &mut data),
            BarKind::Io => self.pio.read(address as u16, &mut data),
        };
        data[0]
    }

    /// A BAR answers where it was told to be: where its function decodes it, inside a window, over
    /// no other's; and if it was told to be nowhere, one of these is so.
    fn check(&self) {
        let mut mapped: Vec<(BarKind, BusRange)> = Vec::new();
        let mut silent: Vec<(BarKind, BusRange)> = Vec::new();
        for (function, told) in &self.functions {
            let function = function.lock().expect("no panic");
            let bars: Vec<_> = (0..BARS.len()).map(|bar| function.0.decoded(bar)).collect();
            let number = function.1;
            drop(function);
            for (bar, told) in bars.into_iter().zip(*told.lock().expect("no panic")) {
                let Some((kind, range)) = bar else {
                    assert_eq!(told, None, "a BAR that decodes nothing");
                    continue;
                };
                if told.is_none() {
                    silent.push((kind, range));
                    continue;
                }
                assert_eq!(told, Some(range.base));
                assert!(window(kind).contains(range), "{range} is outside");
                assert!(!mapped.iter().any(|other| overlap(*other, (kind, range))));
                for address in [range.base, range.base + range.len - 1] {
                    assert_eq!(self.answers(kind, address), number, "{address:#x}");
                }
                mapped.push((kind, range));
            }
        }
        for bar in silent {
            let in_the_way = mapped.iter().any(|other| overlap(*other, bar));
            let outside = !window(bar.0).contains(bar.1);
            assert!(outside || in_the_way, "nothing keeps {} silent", bar.1);
        }
    }
}

fn window(kind: BarKind) -> BusRange {
    match kind {
        BarKind::Memory => WINDOWS.memory,
        BarKind::Io => WINDOWS.io,
    }
}

fn overlap((kind, a): (BarKind, BusRange), (other, b): (BarKind, BusRange)) -> bool {
    kind == other && a.base < b.base + b.len && b.base < a.base + a.len
}

fn config(number: u8) -> ConfigSpace {
    let mut config = ConfigSpace::new(Identity {
        vendor: 0x1234,
        device: number.into(),
        class: [0xff, 0, 0],
        revision: 0,
        subsystem: (0, 0),
    });
    for (index, (kind, size)) in BARS.into_iter().enumerate() {
        config.add_bar(index, kind, size);
    }
    config
}

fn add(root: &SharedRoot, number: u8) -> (Arc<Mutex<Numbered>>, Told) {
    let function = Arc::new(Mutex::new(Numbered(config(number), number)));
    let told = Told::default();
    let wire = |(index, (kind, _)): (usize, (BarKind, u32))| {
        let note = told.clone();
        let on_move: OnMove = Box::new(move |at| {
            let before = &mut note.lock().expect("no panic")[index];
            assert_ne!(before.is_some(), at.is_some(), "it comes and goes in turn");
            *before = at;
        });
        let target = match kind {
            BarKind::Memory => BarTarget::Memory(function.clone()),
            BarKind::Io => BarTarget::Io(function.clone()),
        };
        BarWiring {
            index,
            target,
            on_move,
        }
    };
    let wirings = BARS.into_iter().enumerate().map(wire).collect();
    let id = DeviceId(1 + number);
    root.lock().add(function.clone(), id, "function", wirings);
    (function, told)
}

/// Accesses to configuration space, BARs that are moved and turned on and off.
pub fn pci_config(data: &[u8]) {
    let machine = Machine::new();
    let mut input = Input(data);
    while !input.is_empty() {
        let what = input.byte();
        let device = 1 + (what >> 4) % FUNCTIONS as u8;
        match what & 7 {
            0 | 1 => {
                let base = ECAM + (u64::from(input.byte() % 6) << 14);
                access(&machine.mmio, &machine.pio, base, &mut input);
            }
            2..=4 => {
                let (bar, place) = (input.byte(), input.byte());
                let place = PLACES[usize::from(place) % PLACES.len()];
                let bar = BAR0 + 4 * u16::from(bar % BARS.len() as u8);
                machine.write(device, bar, place ^ u32::from(input.word()));
            }
            5 | 6 => machine.write(device, COMMAND, input.byte().into()),
            _ => machine.save_and_restore(),
        }
        machine.check();
    }
}
