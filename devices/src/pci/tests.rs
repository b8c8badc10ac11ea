use super::config::{BAR0, BarKind, COMMAND, ConfigSpace, Identity};
use super::msix::{MsiMessage, MsiSink, Msix};
use super::root::{BarTarget, BarWiring, Root, SharedRoot};
use super::testing::{ECAM, Numbered, WINDOWS, connect};
use crate::bus::{BusRange, DeviceId, MmioBus, PioBus, Width};
use crate::power::{PowerEvent, PowerSwitch};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

const MEMORY: u16 = 2;
const IO: u16 = 1;

type Moves = Arc<Mutex<Vec<Option<u64>>>>;

/// A machine with two functions of 4 KiB of memory and 16 ports, as devices 1 and 2.
struct Machine {
    mmio: MmioBus,
    pio: PioBus,
    power: PowerSwitch,
    /// Where the memory of device 1 has been.
    moves: Moves,
}

impl Machine {
    fn new() -> Self {
        let (mut mmio, mut pio) = (MmioBus::default(), PioBus::default());
        let root = Root::new(mmio.moving(), pio.moving(), WINDOWS, DeviceId(1)).share();
        let moves = Moves::default();
        for number in [1, 2] {
            add(&root, number, &moves);
        }
        let power = connect(&mut mmio, &mut pio, &root);
        Self {
            mmio,
            pio,
            power,
            moves,
        }
    }

    /// Configuration by memory.
    fn read<const N: usize>(&self, device: u64, register: u16) -> [u8; N] {
        let mut data = [0; N];
        self.mmio
            .read(ECAM + (device << 15) + u64::from(register), &mut data);
        data
    }

    fn write(&self, device: u64, register: u16, data: &[u8]) {
        self.mmio
            .write(ECAM + (device << 15) + u64::from(register), data);
    }

    fn enable(&self, device: u64, what: u16) {
        self.write(device, COMMAND, &what.to_le_bytes());
    }

    fn place(&self, device: u64, bar: u16, base: u32) {
        self.write(device, BAR0 + 4 * bar, &base.to_le_bytes());
    }

    /// Configuration by ports.
    fn by_ports(&self, address: u32) -> u32 {
        self.pio.write(0xcf8, &address.to_le_bytes());
        let mut data = [0; 4];
        self.pio.read(0xcfc, &mut data);
        u32::from_le_bytes(data)
    }

    /// Who answers at an address.
    fn memory(&self, address: u64) -> u8 {
        let mut data = [0];
        self.mmio.read(address, &mut data);
        data[0]
    }

    fn port(&self, port: u16) -> u8 {
        let mut data = [0];
        self.pio.read(port, &mut data);
        data[0]
    }
}

fn add(root: &SharedRoot, number: u8, moves: &Moves) {
    let mut config = ConfigSpace::new(Identity {
        vendor: 0x1234,
        device: number.into(),
        class: [0xff, 0, 0],
        revision: 0,
        subsystem: (0, 0),
    });
    config.add_bar(0, BarKind::Memory, 0x1000);
    config.add_bar(1, BarKind::Io, 0x10);
    let thing = Arc::new(Mutex::new(Numbered(config, number)));
    let note = moves.clone();
    let wirings = vec![
        BarWiring {
            index: 0,
            target: BarTarget::Memory(thing.clone()),
            on_move: Box::new(move |at| {
                if number == 1 {
                    note.lock().unwrap().push(at);
                }
            }),
        },
        BarWiring {
            index: 1,
            target: BarTarget::Io(thing.clone()),
            on_move: Box::new(|_| {}),
        },
    ];
    root.lock()
        .add(thing, DeviceId(1 + number), "thing", wirings);
}

#[test]
fn functions_are_found_both_ways_and_nothing_where_none_is() {
    let machine = Machine::new();
    assert_eq!(machine.read(1, 0), [0x34, 0x12, 1, 0]);
    assert_eq!(machine.by_ports(0x8000_0000 | 2 << 11), 0x0002_1234);
    assert_eq!(machine.by_ports(0x8000_0008) >> 16, 0x0600, "a host bridge");
    assert_eq!(machine.by_ports(0x8000_0000 | 3 << 11), u32::MAX);
    assert_eq!(machine.by_ports(0x8000_0000 | 1 << 11 | 1 << 8), u32::MAX);
    assert_eq!(machine.by_ports(0x8001_0000), u32::MAX, "bus 1");
    assert_eq!(machine.by_ports(0), u32::MAX, "disabled");
    assert_eq!(machine.read(31, 0), [0xff; 4]);
    assert_eq!(machine.read(1, 0x100), [0; 4], "no extended capabilities");
}

#[test]
fn a_bar_tells_its_size_and_keeps_its_kind() {
    let machine = Machine::new();
    machine.place(1, 0, u32::MAX);
    machine.place(1, 1, u32::MAX);
    machine.place(1, 2, u32::MAX);
    assert_eq!(u32::from_le_bytes(machine.read(1, 0x10)), 0xffff_f000);
    assert_eq!(u32::from_le_bytes(machine.read(1, 0x14)), 0xffff_fff1);
    assert_eq!(u32::from_le_bytes(machine.read(1, 0x18)), 0, "no such BAR");
}

#[test]
fn bars_answer_where_firmware_put_them_once_they_are_enabled() {
    let machine = Machine::new();
    let base: u64 = u32::from_le_bytes(machine.read(2, 0x10)).into();
    assert!(WINDOWS.memory.contains(BusRange { base, len: 0x1000 }));
    assert_eq!(machine.memory(base), 0xff);
    machine.enable(2, MEMORY);
    assert_eq!(machine.memory(base + 0xfff), 2);
    let port = u32::from_le_bytes(machine.read(2, 0x14)) as u16 & !1;
    assert_eq!(machine.port(port), 0xff);
    machine.enable(2, MEMORY | IO);
    assert_eq!(machine.port(port + 15), 2);
    machine.enable(2, 0);
    assert_eq!((machine.memory(base), machine.port(port)), (0xff, 0xff));
}

#[test]
fn a_bar_moves_and_whoever_follows_it_is_told() {
    let machine = Machine::new();
    machine.enable(1, MEMORY);
    machine.moves.lock().unwrap().clear();
    machine.place(1, 0, 0xc800_0000);
    assert_eq!(machine.memory(0xc800_0000), 1);
    machine.enable(1, 0);
    let moves = machine.moves.lock().unwrap().clone();
    assert_eq!(moves, [None, Some(0xc800_0000), None]);
}

#[test]
fn bars_outside_the_windows_answer_nothing() {
    let machine = Machine::new();
    machine.enable(1, MEMORY | IO);
    for base in [
        0,
        0x10_0000,
        0xbfff_f000,
        0xd000_0000,
        0xe000_0000,
        0xfee0_0000,
        0xffff_f000,
    ] {
        machine.place(1, 0, base);
        assert_ne!(machine.memory(base.into()), 1, "{base:#x}");
        assert_eq!(
            machine.moves.lock().unwrap().last(),
            Some(&None),
            "{base:#x}"
        );
    }
    for base in [0_u32, 0x3f0, 0xcf0] {
        machine.place(1, 1, base);
        assert_ne!(machine.port(base as u16), 1, "{base:#x}");
    }
    machine.place(1, 0, 0xcfff_f000);
    assert_eq!(
        machine.memory(0xcfff_ffff),
        1,
        "the last page of the window"
    );
}

#[test]
fn of_two_bars_in_one_place_the_first_answers_and_the_other_when_it_has_gone() {
    let machine = Machine::new();
    for device in [1, 2] {
        machine.place(device, 0, 0xc900_0000);
        machine.enable(device, MEMORY);
    }
    assert_eq!(machine.memory(0xc900_0000), 1);
    machine.place(1, 0, 0xca00_0000);
    assert_eq!(machine.memory(0xc900_0000), 2);
    assert_eq!(machine.memory(0xca00_0000), 1);
}

#[test]
fn port_cf9_still_resets_and_the_address_register_is_one_only_as_a_whole() {
    let machine = Machine::new();
    machine.by_ports(0x8000_0000 | 1 << 11);
    machine.pio.write(0xcf8, &[0xff]);
    let mut data = [0; 4];
    machine.pio.read(0xcfc, &mut data);
    assert_eq!(data, [0x34, 0x12, 1, 0]);
    machine.pio.write(0xcf9, &[6]);
    assert_eq!(machine.power.pressed(), Some(PowerEvent::Reset));
}

/// What a function's vectors have sent.
#[derive(Clone, Default)]
struct Sent(Arc<Mutex<Log>>);

#[derive(Default)]
struct Log {
    routes: BTreeMap<u16, MsiMessage>,
    messages: Vec<MsiMessage>,
}

impl MsiSink for Sent {
    fn route(&mut self, vector: u16, message: MsiMessage) -> io::Result<()> {
        self.0.lock().unwrap().routes.insert(vector, message);
        Ok(())
    }

    fn trigger(&self, vector: u16) -> io::Result<()> {
        let mut log = self.0.lock().unwrap();
        let message = log.routes[&vector];
        log.messages.push(message);
        Ok(())
    }
}

impl Sent {
    fn data(&self) -> Vec<u32> {
        self.0
            .lock()
            .unwrap()
            .messages
            .iter()
            .map(|message| message.data)
            .collect()
    }
}

const ENABLE: u16 = 1 << 15;
const FUNCTION_MASK: u16 = 1 << 14;

fn program(msix: &mut Msix, vector: u64, address: u64, data: u32) {
    let values = [address as u32, (address >> 32) as u32, data, 0];
    for (offset, value) in (16 * vector..).step_by(4).zip(values) {
        msix.write_table(offset, Width::Dword, value);
    }
}

#[test]
fn an_unmasked_vector_sends_its_message_and_a_masked_one_waits() {
    let sent = Sent::default();
    let mut msix = Msix::new(2, Box::new(sent.clone()));
    msix.set_control(ENABLE);
    program(&mut msix, 1, 0xfee0_1000, 0x41);
    msix.trigger(1).unwrap();
    msix.trigger(0).unwrap();
    assert_eq!(
        (sent.data(), msix.read_pending(0, Width::Dword)),
        (vec![0x41], 1)
    );
    program(&mut msix, 0, 0xfee0_0000, 0x42);
    assert_eq!(
        (sent.data(), msix.read_pending(0, Width::Dword)),
        (vec![0x41, 0x42], 0)
    );
    msix.set_control(ENABLE | FUNCTION_MASK);
    msix.trigger(1).unwrap();
    msix.trigger(1).unwrap();
    assert_eq!(msix.read_pending(0, Width::Dword), 2);
    msix.set_control(ENABLE);
    assert_eq!(sent.data(), [0x41, 0x42, 0x41]);
}

#[test]
fn messages_to_anywhere_but_the_local_apics_go_nowhere() {
    let sent = Sent::default();
    let mut msix = Msix::new(1, Box::new(sent.clone()));
    msix.set_control(ENABLE);
    for address in [0, 0x1000, 0xfec0_0000, 0xfef0_0000, 0x1_fee0_0000, u64::MAX] {
        program(&mut msix, 0, address, 7);
        msix.trigger(0).unwrap();
    }
    msix.trigger(1).unwrap();
    msix.trigger(u16::MAX).unwrap();
    assert!(sent.data().is_empty());
    program(&mut msix, 0, 0xfee0_0000, 8);
    msix.trigger(0).unwrap();
    assert_eq!(sent.data(), [8]);
}

#[test]
fn a_table_is_saved_with_what_is_pending() {
    let mut msix = Msix::new(2, Box::new(Sent::default()));
    msix.set_control(ENABLE);
    program(&mut msix, 0, 0xfee0_0000, 5);
    msix.trigger(1).unwrap();
    let state = msix.save();
    let sent = Sent::default();
    let mut restored = Msix::new(2, Box::new(sent.clone()));
    assert!(restored.restore(&state));
    restored.trigger(0).unwrap();
    program(&mut restored, 1, 0xfee0_0000, 6);
    assert_eq!(sent.data(), [5, 6]);
    assert!(!Msix::new(3, Box::new(Sent::default())).restore(&state));
}

#[test]
fn processors_move_bars_and_use_them_at_the_same_time() {
    let machine = Machine::new();
    let places = [0xc100_0000, 0xc200_0000, 0, u32::MAX];
    let mover = |device: u64| {
        for round in 0..2000 {
            machine.place(device, 0, places[round % places.len()]);
            machine.enable(device, MEMORY * (round as u16 >> 2 & 1));
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| mover(1));
        scope.spawn(|| mover(2));
        for _ in 0..2000 {
            for place in [0xc100_0000, 0xc200_0000] {
                let found = machine.memory(place);
                assert!([1, 2, 0xff].contains(&found), "{found}");
            }
            assert_eq!(machine.read(1, 0), [0x34, 0x12, 1, 0]);
        }
    });
    // In the end, it is as one processor would have left it.
    for device in [1, 2] {
        machine.place(device, 0, places[device as usize - 1]);
        machine.enable(device, MEMORY);
        assert_eq!(
            u64::from(machine.memory(places[device as usize - 1].into())),
            device
        );
    }
}
