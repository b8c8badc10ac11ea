//! Disks.

use super::Model::{Emulated, Paravirtual};
use super::{Path, Textbook, Workload};

/// Device, sector count, three of the address, command; the status that ends it (ATA/ATAPI-6 9.5).
const ATA_PIO: Option<Textbook> = Some(Textbook::Words { setup: 7 });
/// The same, and the controller's table address, direction, status to clear, start; status and stop
/// in the end (SFF-8038i 3.1).
const ATA_DMA: Option<Textbook> = Some(Textbook::Fixed(13));
/// The doorbell (virtio 1.3 2.7.13.4).
const VIRTIO: Option<Textbook> = Some(Textbook::Fixed(1));

const DISKS: &[Path] = &[
    Path {
        name: "ide-word",
        about: "ATA, every word by an instruction of its own at the data port",
        args: "hda-word interrupt",
        model: Emulated,
        copies: Some(3),
        textbook: ATA_PIO,
    },
    Path {
        name: "ide-pio",
        about: "ATA, string instructions at the data port, an interrupt a block",
        args: "hda-pio interrupt",
        model: Emulated,
        copies: Some(3),
        textbook: ATA_PIO,
    },
    Path {
        name: "ide-dma",
        about: "ATA behind a PCI IDE controller that moves the data itself",
        args: "hda interrupt",
        model: Emulated,
        copies: Some(1),
        textbook: ATA_DMA,
    },
    Path {
        name: "virtio",
        about: "virtio-blk: a doorbell for a request, the data by DMA, MSI-X",
        args: "vda interrupt",
        model: Paravirtual,
        copies: Some(1),
        textbook: VIRTIO,
    },
    Path {
        name: "virtio-poll",
        about: "the same, the driver looking at the ring, not interrupted",
        args: "vda poll",
        model: Paravirtual,
        copies: Some(1),
        textbook: VIRTIO,
    },
    Path {
        name: "virtio-queues",
        about: "virtio-blk with a queue and an interrupt for each of several processors",
        args: "vdb? interrupt",
        model: Paravirtual,
        copies: Some(1),
        textbook: VIRTIO,
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
