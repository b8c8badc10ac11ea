//! Sources of time.

use super::Model::{Direct, Emulated, Paravirtual};
use super::{Path, Textbook, Workload};

/// A source of time, and of small answers.
pub(super) const PC_CLOCK: Path = Path {
    name: "rtc",
    about: "the PC's clock: hour, minute, second by index and data port",
    args: "clock-rtc",
    model: Emulated,
    copies: None,
    textbook: Some(Textbook::Fixed(8)),
};

const CLOCKS: &[Path] = &[
    PC_CLOCK,
    Path {
        name: "acpi-timer",
        about: "ACPI's timer, by its port",
        args: "clock-acpi",
        model: Emulated,
        copies: None,
        textbook: Some(Textbook::Fixed(1)),
    },
    Path {
        name: "pit",
        about: "the 8254's count, latched; KVM has it in the kernel",
        args: "clock-pit",
        model: Emulated,
        copies: None,
        textbook: Some(Textbook::Fixed(3)),
    },
    Path {
        name: "kvmclock",
        about: "a page that KVM keeps up to date, read by the program, and the time-stamp counter",
        args: "kvm",
        model: Paravirtual,
        copies: None,
        textbook: Some(Textbook::Fixed(0)),
    },
    Path {
        name: "kvmclock-call",
        about: "the same, read by the kernel for a program that asks for 64 times at once",
        args: "clock-kvm",
        model: Paravirtual,
        copies: None,
        textbook: Some(Textbook::Fixed(0)),
    },
    Path {
        name: "tsc",
        about: "the time-stamp counter, by the program itself",
        args: "tsc",
        model: Direct,
        copies: None,
        textbook: Some(Textbook::Fixed(0)),
    },
];

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "clock",
    about: "readings of the time",
    program: "clock_work",
    args: "",
    paths: CLOCKS,
}];
