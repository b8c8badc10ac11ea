//! What is compared: workloads, and the paths by which each can be done, as tables.

/// A way to a device.
pub(super) struct Path {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is, in a line.
    pub(super) about: &'static str,
    /// What the program is told of it.
    args: &'static str,
}

/// Something to be done.
pub(super) struct Workload {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is, in a line.
    pub(super) about: &'static str,
    /// The guest's program.
    pub(super) program: &'static str,
    /// What the program is told after the path's part.
    args: &'static str,
    /// The ways that there are, the one that takes most traps first.
    pub(super) paths: &'static [Path],
}

impl Workload {
    /// Arguments of the program, for a run of so many milliseconds by `path`.
    pub(super) fn args(&self, path: &Path, ms: u32) -> String {
        format!("{} {} {ms}", path.args, self.args)
    }
}

const DISKS: &[Path] = &[
    Path {
        name: "ide-word",
        about: "ATA, every word by an instruction of its own at the data port",
        args: "hda-word interrupt",
    },
    Path {
        name: "ide-pio",
        about: "ATA, string instructions at the data port, an interrupt a block",
        args: "hda-pio interrupt",
    },
    Path {
        name: "ide-dma",
        about: "ATA behind a PCI IDE controller that moves the data itself",
        args: "hda interrupt",
    },
    Path {
        name: "virtio",
        about: "virtio-blk: a doorbell for a request, the data by DMA, MSI-X",
        args: "vda interrupt",
    },
    Path {
        name: "virtio-poll",
        about: "the same, the driver looking at the ring, not interrupted",
        args: "vda poll",
    },
];

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

const BLOCK: &str = "block_work";

/// All workloads.
pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "block-read",
        about: "reads of 128 KiB in order",
        program: BLOCK,
        args: "read 131072 1",
        paths: DISKS,
    },
    Workload {
        name: "block-write",
        about: "writes of 128 KiB in order, flushed at the end",
        program: BLOCK,
        args: "write 131072 1",
        paths: DISKS,
    },
    Workload {
        name: "block-random",
        about: "reads of 4 KiB at random, one at a time",
        program: BLOCK,
        args: "random 4096 1",
        paths: DISKS,
    },
    Workload {
        name: "block-random-32",
        about: "reads of 4 KiB at random, by 32 threads",
        program: BLOCK,
        args: "random 4096 32",
        paths: DISKS,
    },
    Workload {
        name: "block-mixed",
        about: "4 KiB at random, three reads to a write, one at a time",
        program: BLOCK,
        args: "mixed 4096 1",
        paths: DISKS,
    },
    Workload {
        name: "clock",
        about: "readings of the time",
        program: "clock_work",
        args: "",
        paths: CLOCKS,
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_one_word_each_and_differ() {
        let names: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
        let paths = |workload: &Workload| workload.paths.iter().map(|path| path.name).collect();
        let paths: Vec<Vec<&str>> = WORKLOADS.iter().map(paths).collect();
        for names in paths.into_iter().chain([names]) {
            assert_eq!(BTreeSet::from_iter(&names).len(), names.len());
            assert!(names.iter().all(|name| !name.contains([' ', ',', '.'])));
        }
    }

    #[test]
    fn every_program_is_in_the_guest() {
        for workload in WORKLOADS {
            assert!(guest::has_program(workload.program), "{}", workload.program);
        }
    }
}
