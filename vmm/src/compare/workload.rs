//! What is compared: workloads, and the paths by which each can be done, as tables.

/// A way to a device.
pub(super) struct Path {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is, in a line.
    pub(super) about: &'static str,
    /// The guest's name of the disk, and how its completions are awaited.
    disk: &'static str,
    mode: &'static str,
}

/// Something to be done.
pub(super) struct Workload {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is, in a line.
    pub(super) about: &'static str,
    /// The guest's program.
    pub(super) program: &'static str,
    /// What the program is told after disk and mode.
    args: &'static str,
}

impl Workload {
    /// Arguments of the program, for a run of so many milliseconds by `path`.
    pub(super) fn args(&self, path: &Path, ms: u32) -> String {
        format!("{} {} {} {ms}", path.disk, path.mode, self.args)
    }
}

/// By the traps that it takes, most first.
pub(super) const PATHS: &[Path] = &[
    Path {
        name: "virtio",
        about: "virtio-blk: a doorbell for a request, the data by DMA, MSI-X",
        disk: "vda",
        mode: "interrupt",
    },
    Path {
        name: "virtio-poll",
        about: "the same, the driver looking at the ring instead of an interrupt",
        disk: "vda",
        mode: "poll",
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
    },
    Workload {
        name: "block-write",
        about: "writes of 128 KiB in order, flushed at the end",
        program: BLOCK,
        args: "write 131072 1",
    },
    Workload {
        name: "block-random",
        about: "reads of 4 KiB at random, one at a time",
        program: BLOCK,
        args: "random 4096 1",
    },
    Workload {
        name: "block-random-32",
        about: "reads of 4 KiB at random, by 32 threads",
        program: BLOCK,
        args: "random 4096 32",
    },
    Workload {
        name: "block-mixed",
        about: "4 KiB at random, three reads to a write, one at a time",
        program: BLOCK,
        args: "mixed 4096 1",
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
        let paths: Vec<&str> = PATHS.iter().map(|path| path.name).collect();
        for names in [names, paths] {
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
