//! Consoles.

use super::Model::{Emulated, Paravirtual};
use super::{Path, Textbook, Workload};

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "console",
    about: "4 KiB of output, checked by the host as it comes",
    program: "console_work",
    args: "",
    paths: &[
        Path {
            name: "serial-byte",
            about: "16550 without its FIFO: a look at its status for each byte",
            args: "ttyS1-byte 4096",
            model: Emulated,
            copies: Some(2),
            textbook: Some(Textbook::Fixed(8192)),
        },
        Path {
            name: "serial-fifo",
            about: "16550: line status, then 16 bytes by a string instruction",
            args: "ttyS1 4096",
            model: Emulated,
            copies: Some(2),
            textbook: Some(Textbook::Fixed(4352)),
        },
        Path {
            name: "hypercall",
            about: "the hypercall page: 64 KiB with one exit, copied by its vCPU",
            args: "hypercall-out 65536",
            model: Paravirtual,
            copies: Some(1),
            textbook: None,
        },
        Path {
            name: "virtio",
            about: "virtio-console: 64 KiB with one doorbell, by DMA",
            args: "hvc1 65536",
            model: Paravirtual,
            copies: Some(1),
            textbook: None,
        },
    ],
}];
