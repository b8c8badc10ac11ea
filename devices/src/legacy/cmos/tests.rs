//! The clock and its memory through their ports.

use super::*;
use crate::bus::{BusRange, DeviceId, PioBus};
use crate::timer::is_set;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

fn bus_of(device: Arc<Mutex<Cmos>>) -> PioBus {
    let mut bus = PioBus::default();
    let range = BusRange {
        base: 0x70,
        len: PORTS,
    };
    bus.insert(range, DeviceId(1), "cmos", device).unwrap();
    bus
}

fn set(bus: &PioBus, index: u8, value: u8) {
    bus.write(0x70, &[index]);
    bus.write(0x71, &[value]);
}

fn clock_at(unix_ns: u64, low_bytes: u64, high_bytes: u64) -> PioBus {
    let now = UNIX_EPOCH + Duration::from_nanos(unix_ns);
    let line = IrqLine::new().unwrap();
    let cmos = Cmos::with_clock(line, low_bytes, high_bytes, Box::new(move || now)).unwrap();
    bus_of(Arc::new(Mutex::new(cmos)))
}

fn register(bus: &PioBus, index: u8) -> u8 {
    bus.write(0x70, &[index]);
    let mut data = [0];
    bus.read(0x71, &mut data);
    data[0]
}

/// Century, year, month, day, hour, minute, second, day of week.
fn clock(bus: &PioBus) -> [u8; 8] {
    [0x32, 9, 8, 7, 4, 2, 0, 6].map(|index| register(bus, index))
}

#[test]
fn tells_the_time_in_bcd() {
    const S: u64 = 1_000_000_000;
    let cases = [
        (0, [0x19, 0x70, 1, 1, 0, 0, 0, 5]),
        (951_782_399, [0x20, 0x00, 2, 0x28, 0x23, 0x59, 0x59, 2]),
        (951_782_400, [0x20, 0x00, 2, 0x29, 0, 0, 0, 3]),
        (951_868_800, [0x20, 0x00, 3, 1, 0, 0, 0, 4]),
        (1_709_210_096, [0x20, 0x24, 2, 0x29, 0x12, 0x34, 0x56, 5]),
        (1_735_689_599, [0x20, 0x24, 0x12, 0x31, 0x23, 0x59, 0x59, 3]),
        (4_107_542_400, [0x21, 0x00, 3, 1, 0, 0, 0, 2]),
    ];
    for (unix_s, expected) in cases {
        assert_eq!(clock(&clock_at(unix_s * S, 0, 0)), expected, "{unix_s}");
    }
}

#[test]
fn warns_just_before_an_update() {
    let updating = |ns| register(&clock_at(ns, 0, 0), 0x0a) & 0x80 != 0;
    assert!(!updating(0) && !updating(999_755_000));
    assert!(updating(999_756_000) && updating(999_999_999));
    let bus = clock_at(0, 0, 0);
    assert_eq!(register(&bus, 0x0b), 0x02, "24 hours, BCD");
    assert_eq!((register(&bus, 0x0c), register(&bus, 0x0d)), (0, 0x80));
}

#[test]
fn has_the_sizes_of_memory() {
    let read = |low, high| {
        let bus = clock_at(0, low, high);
        let word = |at| u32::from(register(&bus, at)) | u32::from(register(&bus, at + 1)) << 8;
        let above_4g = word(0x5b) | u32::from(register(&bus, 0x5d)) << 16;
        [word(0x15), word(0x17), word(0x30), word(0x34), above_4g]
    };
    assert_eq!(read(16 << 20, 0), [640, 15 << 10, 15 << 10, 0, 0]);
    let large = read(0xc000_0000, 5 << 30);
    assert_eq!(large, [640, 0xffff, 0xffff, 0xbf00, 5 << 14]);
    assert_eq!(read(0, u64::MAX)[4], 0xff_ffff);
}

#[test]
fn memory_is_plain_and_the_clock_cannot_be_set() {
    let bus = clock_at(0, 0, 0);
    for index in 0..=0xff {
        set(&bus, index, 0xa5);
    }
    assert_eq!(clock(&bus), [0x19, 0x70, 1, 1, 0, 0, 0, 5]);
    assert_eq!((register(&bus, 0x40), register(&bus, 0x7f)), (0xa5, 0xa5));
    assert_eq!(register(&bus, 0x0b), 0xa2);
}

#[test]
fn state_survives_save_and_restore() {
    let device = |low| Cmos::new(IrqLine::new().unwrap(), low, 0).unwrap();
    let mut cmos = device(0);
    cmos.pio_write(0, Width::Byte, 0x40);
    cmos.pio_write(1, Width::Byte, 7);
    let state = cmos.save();
    let mut other = device(1 << 30);
    other.restore(&state);
    assert_eq!(other.save(), state);
    assert_eq!(other.pio_read(1, Width::Byte), 7);
}

#[test]
fn firmwares_bytes_are_there_with_their_checksum() {
    let bus = clock_at(0, 16 << 20, 0);
    assert_eq!(register(&bus, 0x0f), 0, "no shutdown under way");
    assert_eq!(register(&bus, 0x10), 0, "no floppy drives");
    assert_eq!(register(&bus, 0x14), 2, "a floating-point unit and a VGA");
    let sum: u16 = (0x10..0x2e).map(|at| u16::from(register(&bus, at))).sum();
    let kept = [register(&bus, 0x2e), register(&bus, 0x2f)];
    assert_eq!(kept, sum.to_be_bytes());
}

/// A clock that the test turns.
struct Guest {
    bus: PioBus,
    device: Arc<Mutex<Cmos>>,
    line: IrqLine,
    now_ns: Arc<AtomicU64>,
}

const S: u64 = 1_000_000_000;
const MS: u64 = 1_000_000;

impl Guest {
    fn new() -> Self {
        let line = IrqLine::new().unwrap();
        let now_ns = Arc::new(AtomicU64::new(1_709_210_096 * S));
        let hand = now_ns.clone();
        let clock = move || UNIX_EPOCH + Duration::from_nanos(hand.load(Ordering::SeqCst));
        let device = Cmos::with_clock(line.clone(), 0, 0, Box::new(clock)).unwrap();
        let device = Arc::new(Mutex::new(device));
        Self {
            bus: bus_of(device.clone()),
            device,
            line,
            now_ns,
        }
    }

    /// Time goes by, and the timer expires as it was set.
    fn wait(&self, ns: u64) {
        self.now_ns.fetch_add(ns, Ordering::SeqCst);
        if self.armed() {
            self.device.lock().unwrap().timer_expired();
        }
    }

    fn armed(&self) -> bool {
        is_set(&self.device.lock().unwrap().timer)
    }

    fn interrupts(&self) -> u64 {
        self.line.evt().read().unwrap_or(0)
    }

    fn flags(&self) -> u8 {
        register(&self.bus, STATUS_C)
    }
}

#[test]
fn nothing_interrupts_that_is_not_enabled_but_its_flag_is_set() {
    let guest = Guest::new();
    assert!(!guest.armed());
    guest.wait(S);
    assert_eq!(guest.interrupts(), 0);
    assert_eq!(guest.flags(), 0x50, "a second, and periods");
    assert_eq!(guest.flags(), 0);
}

#[test]
fn periodic_interrupts_come_at_the_rate_and_once_until_acknowledged() {
    let guest = Guest::new();
    set(&guest.bus, STATUS_B, 0x42);
    for _ in 0..3 {
        assert!(guest.armed());
        guest.wait(MS);
        assert_eq!((guest.interrupts(), guest.armed()), (1, false));
        guest.wait(MS);
        assert_eq!(guest.interrupts(), 0, "not acknowledged");
        assert_eq!(guest.flags(), 0xc0);
    }
    set(&guest.bus, STATUS_A, 0x2f);
    guest.flags();
    guest.wait(490 * MS);
    assert_eq!(guest.interrupts(), 0, "2 Hz");
    guest.wait(11 * MS);
    assert_eq!(guest.interrupts(), 1);
    guest.flags();
    set(&guest.bus, STATUS_A, 0x20);
    assert!(!guest.armed(), "no rate");
}

#[test]
fn each_second_interrupts_unless_the_clock_stands_still() {
    let guest = Guest::new();
    guest.wait(300 * MS);
    set(&guest.bus, STATUS_B, 0x12);
    guest.wait(699 * MS);
    assert_eq!(guest.interrupts(), 0);
    guest.wait(MS);
    assert_eq!((guest.interrupts(), guest.flags() & 0x90), (1, 0x90));
    set(&guest.bus, STATUS_B, 0x92);
    assert!(!guest.armed());
    guest.wait(3 * S);
    assert_eq!((guest.interrupts(), guest.flags() & 0x90), (0, 0));
}

#[test]
fn the_alarm_comes_at_its_time_and_at_any_where_it_says_so() {
    let guest = Guest::new();
    // It is 12:34:56.
    for (index, value) in [(1, 0x58), (3, 0x34), (5, 0x12)] {
        set(&guest.bus, index, value);
    }
    set(&guest.bus, STATUS_B, 0x22);
    guest.wait(S);
    assert_eq!(guest.interrupts(), 0);
    guest.wait(S);
    assert_eq!((guest.interrupts(), guest.flags() & 0xa0), (1, 0xa0));
    guest.wait(60 * S);
    assert_eq!(guest.interrupts(), 0, "another minute");
    set(&guest.bus, 3, 0xff);
    guest.wait(60 * S);
    assert_eq!((guest.interrupts(), guest.flags() & 0xa0), (1, 0xa0));
    guest.wait(400 * 24 * 60 * 60 * S);
    assert_eq!(guest.flags() & 0xa0, 0xa0, "after a long sleep");
}

#[test]
fn an_event_that_is_enabled_later_interrupts_then() {
    let guest = Guest::new();
    guest.wait(S);
    set(&guest.bus, STATUS_B, 0x12);
    assert_eq!(guest.interrupts(), 1);
}

#[test]
fn a_host_clock_that_is_put_back_does_no_harm() {
    let guest = Guest::new();
    set(&guest.bus, STATUS_B, 0x72);
    guest.now_ns.fetch_sub(3600 * S, Ordering::SeqCst);
    guest.device.lock().unwrap().timer_expired();
    guest.flags();
    guest.wait(S);
    assert_eq!(guest.interrupts(), 1);
}
