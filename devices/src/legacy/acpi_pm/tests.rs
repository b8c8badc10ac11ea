//! The block through its ports, with a clock that the test turns.

use super::*;
use crate::bus::{BusRange, DeviceId, PioBus};
use crate::irq::{LevelInput, SharedLine};
use crate::timer::is_set;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

#[derive(Clone, Default)]
struct Level(Arc<AtomicBool>);

impl LevelInput for Level {
    fn set(&self, high: bool) {
        self.0.store(high, Ordering::SeqCst);
    }
}

struct Guest {
    bus: PioBus,
    device: Arc<Mutex<AcpiPm>>,
    sci: Level,
    power: PowerSwitch,
    now_ns: Arc<AtomicU64>,
}

impl Guest {
    fn new() -> Self {
        let (sci, power) = (Level::default(), PowerSwitch::new().unwrap());
        let now_ns = Arc::new(AtomicU64::new(77));
        let hand = now_ns.clone();
        let clock = move || Duration::from_nanos(hand.load(Ordering::SeqCst));
        let line = SharedLine::new(Box::new(sci.clone())).join();
        let device = AcpiPm::with_clock(line, power.clone(), Box::new(clock)).unwrap();
        let device = Arc::new(Mutex::new(device));
        let mut bus = PioBus::default();
        let range = BusRange {
            base: BASE.into(),
            len: PORTS,
        };
        bus.insert(range, DeviceId(1), "acpi", device.clone())
            .unwrap();
        Self {
            bus,
            device,
            sci,
            power,
            now_ns,
        }
    }

    fn inw(&self, port: u16) -> u16 {
        let mut data = [0; 2];
        self.bus.read(port, &mut data);
        u16::from_le_bytes(data)
    }

    fn outw(&self, port: u16, value: u16) {
        self.bus.write(port, &value.to_le_bytes());
    }

    fn timer(&self) -> u32 {
        let mut data = [0; 4];
        self.bus.read(TIMER_PORT, &mut data);
        u32::from_le_bytes(data)
    }

    fn wait(&self, time: Duration) {
        let ns = u64::try_from(time.as_nanos()).unwrap();
        self.now_ns.fetch_add(ns, Ordering::SeqCst);
    }

    fn sci_is_high(&self) -> bool {
        self.sci.0.load(Ordering::SeqCst)
    }
}

#[test]
fn the_power_button_interrupts_until_its_status_is_cleared() {
    let guest = Guest::new();
    guest.device.lock().unwrap().press_power_button();
    assert_eq!(guest.inw(EVENT_PORT), 0x100);
    assert!(!guest.sci_is_high(), "not enabled");
    guest.outw(EVENT_PORT + 2, 0x100);
    assert!(guest.sci_is_high());
    guest.outw(EVENT_PORT, 0xfeff);
    assert!(guest.sci_is_high(), "other bits");
    guest.outw(EVENT_PORT, 0x100);
    assert!(!guest.sci_is_high());
    assert_eq!(guest.inw(EVENT_PORT), 0);
    guest.bus.write(EVENT_PORT + 3, &[0]);
    assert_eq!(guest.inw(EVENT_PORT + 2), 0, "by bytes, too");
}

#[test]
fn s5_is_power_off_and_other_types_are_nothing() {
    for (control, expected) in [
        (0x3401, Some(PowerEvent::PowerOff)),
        (0x2000, Some(PowerEvent::PowerOff)),
        (0x1400, None),
        (0x2400, None),
        (0x3c00, None),
    ] {
        let guest = Guest::new();
        guest.outw(CONTROL_PORT, control);
        assert_eq!(guest.power.pressed(), expected, "{control:#x}");
    }
}

#[test]
fn acpi_mode_is_always_on_and_sleep_enable_reads_as_zero() {
    let guest = Guest::new();
    assert_eq!(guest.inw(CONTROL_PORT), 1);
    guest.outw(CONTROL_PORT, 0xfffe & !(0b100 << 10));
    assert_eq!(guest.inw(CONTROL_PORT), 0x0c03);
    assert_eq!(guest.inw(0x606), 0, "between the registers");
    guest.outw(EVENT_PORT + 2, 0xffff);
    assert_eq!(guest.inw(EVENT_PORT + 2), 0x721);
}

#[test]
fn the_timer_counts_at_its_frequency_and_wraps() {
    let guest = Guest::new();
    assert_eq!(guest.timer(), 0);
    guest.wait(Duration::from_secs(1));
    assert_eq!(guest.timer(), 3_579_545);
    guest.wait(Duration::from_secs(1199));
    let counted = 1200 * 3_579_545_u64;
    assert_eq!(u64::from(guest.timer()), counted % (1 << 32));
    guest.outw(TIMER_PORT, 0xffff);
    assert_eq!(u64::from(guest.timer()), counted % (1 << 32), "read-only");
}

#[test]
fn the_timers_highest_bit_interrupts_when_it_changes() {
    let guest = Guest::new();
    let armed = || is_set(&guest.device.lock().unwrap().timer);
    assert!(!armed());
    guest.outw(EVENT_PORT + 2, 1);
    assert!(armed());
    guest.wait(Duration::from_secs(599));
    assert_eq!((guest.inw(EVENT_PORT), guest.sci_is_high()), (0, false));
    guest.wait(Duration::from_secs(1));
    guest.device.lock().unwrap().timer_expired();
    assert!(guest.sci_is_high() && !armed());
    guest.outw(EVENT_PORT, 1);
    assert!(!guest.sci_is_high() && armed());
}

#[test]
fn state_survives_save_and_restore() {
    let guest = Guest::new();
    guest.wait(Duration::from_secs(5));
    guest.outw(EVENT_PORT + 2, 0x100);
    guest.device.lock().unwrap().press_power_button();
    let state = guest.device.lock().unwrap().save();
    let other = Guest::new();
    other.wait(Duration::from_secs(60));
    other.device.lock().unwrap().restore(&state);
    assert_eq!(other.device.lock().unwrap().save(), state);
    assert!(other.sci_is_high());
    assert_eq!(other.timer(), 5 * 3_579_545);
}
