//! Sources of time.

use super::{Path, Workload};

const CLOCKS: &[Path] = &[
    Path {
        name: "rtc",
        about: "the PC's clock: hour, minute, second by index and data port",
        args: "clock-rtc",
    },
    Path {
        name: "acpi-timer",
        about: "ACPI's timer, by its port",
        args: "clock-acpi",
    },
    Path {
        name: "pit",
        about: "the 8254's count, latched; KVM has it in the kernel",
        args: "clock-pit",
    },
    Path {
        name: "kvmclock",
        about: "a page that KVM keeps up to date, and the time-stamp counter",
        args: "clock-kvm",
    },
    Path {
        name: "tsc",
        about: "the time-stamp counter, by the program itself",
        args: "tsc",
    },
];

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "clock",
    about: "readings of the time",
    program: "clock_work",
    args: "",
    paths: CLOCKS,
}];
