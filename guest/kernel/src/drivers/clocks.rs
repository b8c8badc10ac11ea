//! Sources of time, to be compared: a read gives values of 64 bits, as many as fit, each read anew.
//!
//! | device | from | a value counts |
//! |---|---|---|
//! | `clock-rtc` | the registers of a PC's clock (MC146818), by index and data port | seconds of the day |
//! | `clock-acpi` | ACPI's timer, by its port (ACPI 6.5 4.8.3.3) | 3.579545 MHz |
//! | `clock-pit` | the 8254's count, latched | 1.193182 MHz, down |
//! | `clock-kvm` | a page that KVM keeps up to date | ns |

use super::pinned::fill;
use super::{CharDevice, Segment};
use crate::arch::port::{inb, inl, outb};
use crate::arch::{clock, pit};
use crate::sync::Once;
use abi::syscall::{Errno, IoMode};

/// Values read at a time.
const BATCH: usize = 64;
const VALUE_BYTES: usize = size_of::<u64>();

const RTC_INDEX: u16 = 0x70;
const RTC_DATA: u16 = 0x71;
const RTC_SECONDS: u8 = 0x00;
const RTC_MINUTES: u8 = 0x02;
const RTC_HOURS: u8 = 0x04;
const RTC_STATUS_A: u8 = 0x0a;
/// The registers are about to change.
const RTC_UPDATING: u8 = 1 << 7;

static ACPI_PORT: Once<Option<u16>> = Once::new();

/// Remembers where ACPI's timer is, if anywhere.
pub(super) fn init(acpi_port: Option<u64>) {
    ACPI_PORT.set(acpi_port.and_then(|port| u16::try_from(port).ok()));
}

/// A source of time.
pub(super) struct Clock {
    name: &'static str,
    /// Has it run.
    start: fn(),
    read: fn() -> Option<u64>,
}

static CLOCKS: [Clock; 4] = [
    Clock {
        name: "clock-rtc",
        start: || {},
        read: seconds_of_day,
    },
    Clock {
        name: "clock-acpi",
        start: || {},
        read: || {
            ACPI_PORT
                .get()
                .copied()
                .flatten()
                .map(|port| inl(port).into())
        },
    },
    Clock {
        name: "clock-pit",
        start: pit::start,
        read: || Some(pit::count().into()),
    },
    Clock {
        name: "clock-kvm",
        start: || {},
        read: clock::kvm_ns,
    },
];

/// The source of that name, if the machine has it.
pub(super) fn device(name: &str) -> Option<&'static dyn CharDevice> {
    let clock = CLOCKS.iter().find(|clock| clock.name == name)?;
    (clock.start)();
    (clock.read)().map(|_| clock as &dyn CharDevice)
}

fn rtc(register: u8) -> u8 {
    outb(RTC_INDEX, register);
    inb(RTC_DATA)
}

/// Seconds since midnight, of a clock that counts in BCD.
fn seconds_of_day() -> Option<u64> {
    while rtc(RTC_STATUS_A) & RTC_UPDATING != 0 {}
    let [hours, minutes, seconds] =
        [RTC_HOURS, RTC_MINUTES, RTC_SECONDS].map(|register| from_bcd(rtc(register)));
    Some((hours * 60 + minutes) * 60 + seconds)
}

fn from_bcd(value: u8) -> u64 {
    u64::from(value >> 4) * 10 + u64::from(value & 0xf)
}

impl CharDevice for Clock {
    fn read(&self, to: &[Segment], _mode: IoMode) -> Result<usize, Errno> {
        let room: usize = to.iter().map(Segment::len).sum();
        let mut bytes = [0; BATCH * VALUE_BYTES];
        let count = (room / VALUE_BYTES).min(BATCH) * VALUE_BYTES;
        for value in bytes[..count].chunks_exact_mut(VALUE_BYTES) {
            let now = (self.read)().ok_or(Errno::Io)?;
            value.copy_from_slice(&now.to_le_bytes());
        }
        Ok(fill(to, &bytes[..count]))
    }
}

#[cfg(test)]
mod tests {
    use super::from_bcd;

    #[test]
    fn digits_are_decimal() {
        assert_eq!([0x00, 0x09, 0x10, 0x59].map(from_bcd), [0, 9, 10, 59]);
    }
}
