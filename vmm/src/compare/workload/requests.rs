//! Small requests and random bytes: port by port, by virtio, by the hypercall page.

use super::Model::Paravirtual;
use super::clock::PC_CLOCK;
use super::{Path, Textbook, Workload};

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "requests",
        about: "small requests to the host: the time of day",
        program: "clock_work",
        args: "",
        paths: &[
            Path {
                name: "cmos",
                ..PC_CLOCK
            },
            Path {
                name: "hypercall-1",
                about: "the hypercall page, a request a doorbell",
                args: "hypercall-time-1",
                model: Paravirtual,
                copies: None,
                textbook: Some(Textbook::Fixed(1)),
            },
            Path {
                name: "hypercall-32",
                about: "the hypercall page, 32 requests a doorbell",
                args: "hypercall-time-32",
                model: Paravirtual,
                copies: None,
                textbook: None,
            },
        ],
    },
    Workload {
        name: "entropy",
        about: "reads of 4 KiB of random bytes",
        program: "entropy_work",
        args: "4096",
        paths: &[
            Path {
                name: "hypercall",
                about: "the hypercall page: filled by the vCPU, within the exit",
                args: "hypercall-rng",
                model: Paravirtual,
                copies: Some(1),
                textbook: Some(Textbook::Fixed(1)),
            },
            Path {
                name: "virtio-rng",
                about: "virtio-rng: filled by the device's thread, which interrupts",
                args: "rng",
                model: Paravirtual,
                copies: Some(1),
                textbook: Some(Textbook::Fixed(1)),
            },
        ],
    },
];
