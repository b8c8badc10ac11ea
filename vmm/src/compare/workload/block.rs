//! Disks.

use super::{Path, Workload};

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

const PROGRAM: &str = "block_work";

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "block-read",
        about: "reads of 128 KiB in order",
        program: PROGRAM,
        args: "read 131072 1",
        paths: DISKS,
    },
    Workload {
        name: "block-write",
        about: "writes of 128 KiB in order, flushed at the end",
        program: PROGRAM,
        args: "write 131072 1",
        paths: DISKS,
    },
    Workload {
        name: "block-random",
        about: "reads of 4 KiB at random, one at a time",
        program: PROGRAM,
        args: "random 4096 1",
        paths: DISKS,
    },
    Workload {
        name: "block-random-32",
        about: "reads of 4 KiB at random, by 32 threads",
        program: PROGRAM,
        args: "random 4096 32",
        paths: DISKS,
    },
    Workload {
        name: "block-mixed",
        about: "4 KiB at random, three reads to a write, one at a time",
        program: PROGRAM,
        args: "mixed 4096 1",
        paths: DISKS,
    },
];
