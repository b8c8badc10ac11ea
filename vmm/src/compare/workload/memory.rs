//! Memory that the guest does without for a while.

use super::{Path, Workload};

/// What a program of the guest gives back at once.
pub(in crate::compare) const RETURNED_BYTES: u64 = 64 << 20;

const WAYS: &[Path] = &[
    Path {
        name: "touch",
        about: "none: a PC has none; memory that is new to the guest is touched",
        args: "touch",
    },
    Path {
        name: "balloon-page",
        about: "virtio-balloon, a page a request",
        args: "balloon-page",
    },
    Path {
        name: "balloon",
        about: "virtio-balloon, 256 pages a request",
        args: "balloon",
    },
    Path {
        name: "reporting",
        about: "free page reporting, 16 blocks of 4 MiB a request",
        args: "balloon-report",
    },
];

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "memory-return",
    about: "64 MiB given to the host, taken again and touched",
    program: "memory_work",
    args: "16384",
    paths: WAYS,
}];
