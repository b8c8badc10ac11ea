//! Memory that the guest does without for a while.

use super::Model::{Direct, Paravirtual};
use super::{Path, Workload};

/// The most that a program of the guest gives back at once.
pub(in crate::compare) const RETURNED_BYTES: u64 = 64 << 20;

const WAYS: &[Path] = &[
    Path {
        name: "touch",
        about: "none: a PC has none; memory that is new to the guest is touched",
        args: "touch 16384",
        model: Direct,
        copies: None,
        textbook: None,
    },
    Path {
        name: "balloon-page",
        about: "virtio-balloon, a page a request; 4 MiB, which take as long",
        args: "balloon-page 1024",
        model: Paravirtual,
        copies: None,
        textbook: None,
    },
    Path {
        name: "balloon",
        about: "virtio-balloon, 256 pages a request",
        args: "balloon 16384",
        model: Paravirtual,
        copies: None,
        textbook: None,
    },
    Path {
        name: "reporting",
        about: "free page reporting, 16 blocks of 4 MiB a request",
        args: "balloon-report 16384",
        model: Paravirtual,
        copies: None,
        textbook: None,
    },
];

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "memory-return",
    about: "pages given to the host, taken again, touched; 64 MiB at once",
    program: "memory_work",
    args: "",
    paths: WAYS,
}];
