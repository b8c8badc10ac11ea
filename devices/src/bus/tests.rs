//! The buses, with a device that notes how it was accessed.

use super::*;

/// Reads give `0x10 + offset` in each byte; accesses are noted.
struct Probe {
    max_width: Width,
    log: Vec<(u64, Width, Option<u64>)>,
}

fn probe(max_width: Width) -> Arc<Mutex<Probe>> {
    let log = Vec::new();
    Arc::new(Mutex::new(Probe { max_width, log }))
}

fn pattern(offset: u64, width: Width) -> u64 {
    (0..width.bytes() as u64).fold(0, |value, at| value | (0x10 + offset + at) << (8 * at))
}

impl PioDevice for Probe {
    fn max_width(&self) -> Width {
        self.max_width
    }
    fn pio_read(&mut self, offset: u16, width: Width) -> u32 {
        self.log.push((offset.into(), width, None));
        pattern(offset.into(), width) as u32
    }
    fn pio_write(&mut self, offset: u16, width: Width, value: u32) {
        self.log.push((offset.into(), width, Some(value.into())));
    }
}

impl MmioDevice for Probe {
    fn max_width(&self) -> Width {
        self.max_width
    }
    fn mmio_read(&mut self, offset: u64, width: Width) -> u64 {
        self.log.push((offset, width, None));
        pattern(offset, width)
    }
    fn mmio_write(&mut self, offset: u64, width: Width, value: u64) {
        self.log.push((offset, width, Some(value)));
    }
}

fn range(base: u64, len: u64) -> BusRange {
    BusRange { base, len }
}

fn pio_with(devices: &[(BusRange, &Arc<Mutex<Probe>>)]) -> PioBus {
    let mut bus = PioBus::default();
    for (id, (range, device)) in (1..).zip(devices) {
        let device = Arc::clone(device);
        bus.insert(*range, DeviceId(id), "probe", device)
            .expect("room on the bus");
    }
    bus
}

#[test]
fn overlap_is_refused_at_either_end_and_inside() {
    let device = probe(Width::Byte);
    let mut bus = pio_with(&[(range(0x100, 8), &device)]);
    for (base, len) in [(0xff, 2), (0x107, 1), (0x103, 2), (0xf0, 0x100), (0x100, 8)] {
        let refused = bus.insert(range(base, len), DeviceId(2), "new", device.clone());
        assert!(
            matches!(refused, Err(BusError::Overlap { .. })),
            "{base:#x}"
        );
    }
    for (base, len) in [(0xf8, 8), (0x108, 8)] {
        bus.insert(range(base, len), DeviceId(2), "new", device.clone())
            .expect("neighbours do not overlap");
    }
}

#[test]
fn a_range_that_is_empty_or_leaves_the_bus_is_refused() {
    let device = probe(Width::Byte);
    let mut pio = PioBus::default();
    for (base, len) in [
        (0x100, 0),
        (0, 0),
        (0xffff, 2),
        (0x1_0000, 1),
        (u64::MAX, 2),
    ] {
        let refused = pio.insert(range(base, len), DeviceId(1), "new", device.clone());
        assert!(
            matches!(refused, Err(BusError::OffBus { .. })),
            "{base:#x} {len}"
        );
    }
    pio.insert(range(0xffff, 1), DeviceId(1), "new", device.clone())
        .expect("the last port is on the bus");
    let mut mmio = MmioBus::default();
    let refused = mmio.insert(range(u64::MAX, 2), DeviceId(1), "new", device.clone());
    assert!(matches!(refused, Err(BusError::OffBus { .. })));
    mmio.insert(range(u64::MAX, 1), DeviceId(1), "new", device)
        .expect("the last address is on the bus");
}

#[test]
fn an_access_is_split_to_the_devices_width() {
    let device = probe(Width::Word);
    let bus = pio_with(&[(range(0x100, 8), &device)]);
    let mut data = [0; 4];
    assert_eq!(bus.read(0x100, &mut data), DeviceId(1));
    assert_eq!(data, [0x10, 0x11, 0x12, 0x13]);
    bus.write(0x101, &[1, 2, 3, 4]);
    let log = std::mem::take(&mut lock(&device).log);
    let expected = [
        (0, Width::Word, None),
        (2, Width::Word, None),
        (1, Width::Byte, Some(1)),
        (2, Width::Word, Some(0x0302)),
        (4, Width::Byte, Some(4)),
    ];
    assert_eq!(log, expected);
}

#[test]
fn an_access_may_straddle_two_devices_and_nothing() {
    let (first, second) = (probe(Width::Dword), probe(Width::Byte));
    let bus = pio_with(&[(range(0x100, 2), &first), (range(0x103, 1), &second)]);
    let mut data = [0; 4];
    assert_eq!(bus.read(0x100, &mut data), DeviceId(1));
    assert_eq!(data, [0x10, 0x11, 0xff, 0x10]);
    bus.write(0x102, &[1, 2]);
    assert_eq!(lock(&second).log.last(), Some(&(0, Width::Byte, Some(2))));
}

#[test]
fn nothing_reads_as_ones_and_swallows_writes() {
    let mut data = [0; 8];
    assert_eq!(
        MmioBus::default().read(0xd000_0000, &mut data),
        DeviceId::NONE
    );
    assert_eq!(data, [0xff; 8]);
    assert_eq!(MmioBus::default().write(u64::MAX, &[0; 8]), DeviceId::NONE);
    assert_eq!(PioBus::default().write(0x80, &[0; 4]), DeviceId::NONE);
    let mut data = [0; 2];
    assert_eq!(PioBus::default().read(0x80, &mut data), DeviceId::NONE);
    assert_eq!(data, [0xff; 2]);
}

#[test]
fn ports_wrap_at_64_ki() {
    let (last, first) = (probe(Width::Byte), probe(Width::Byte));
    let bus = pio_with(&[(range(0xffff, 1), &last), (range(0, 2), &first)]);
    let mut data = [0; 4];
    assert_eq!(bus.read(0xffff, &mut data), DeviceId(1));
    assert_eq!(data, [0x10, 0x10, 0x11, 0xff]);
}

#[test]
fn a_device_with_gaps_counts_offsets_from_its_first_range() {
    let (keyboard, between) = (probe(Width::Byte), probe(Width::Byte));
    let mut bus = pio_with(&[(range(0x61, 1), &between)]);
    bus.insert_ranges(
        &[range(0x60, 1), range(0x64, 1)],
        DeviceId(2),
        "i8042",
        keyboard.clone(),
    )
    .expect("the port between is another's");
    bus.write(0x64, &[0xaa]);
    bus.write(0x60, &[0x55]);
    let expected = [(4, Width::Byte, Some(0xaa)), (0, Width::Byte, Some(0x55))];
    assert_eq!(lock(&keyboard).log, expected);
}

#[test]
fn an_mmio_qword_reaches_a_wide_device_whole_and_a_narrow_one_in_halves() {
    for (max_width, pieces) in [(Width::Qword, 1), (Width::Dword, 2)] {
        let device = probe(max_width);
        let mut bus = MmioBus::default();
        bus.insert(range(0x1000, 0x100), DeviceId(3), "probe", device.clone())
            .expect("an empty bus");
        assert_eq!(bus.write(0x1008, &[1, 0, 0, 0, 2, 0, 0, 0]), DeviceId(3));
        assert_eq!(lock(&device).log.len(), pieces);
    }
}

#[test]
fn devices_are_found_in_whatever_order_they_came() {
    let [high, middle, low] = [0x3f8, 0x60, 0x20].map(|base| (range(base, 8), probe(Width::Byte)));
    let devices = [&high, &middle, &low].map(|(range, probe)| (*range, probe));
    let bus = pio_with(&devices);
    for (id, (range, _)) in (1..).zip(devices) {
        for port in [range.base, range.base + 7] {
            assert_eq!(bus.write(port as u16, &[1]), DeviceId(id), "{port:#x}");
        }
        for port in [range.base - 1, range.base + 8] {
            assert_eq!(bus.read(port as u16, &mut [0]), DeviceId::NONE, "{port:#x}");
        }
    }
}
