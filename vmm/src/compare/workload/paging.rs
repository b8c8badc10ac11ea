//! Page tables: there is no device behind these, and the same is done by the guest alone, but
//! what it costs is the host's matter. KVM follows every entry where it shadows the tables, and none
//! where the processor walks both.

use super::Model::Direct;
use super::{Path, Workload};

const SIZES: &[Path] = &[
    Path {
        name: "4k",
        about: "pages of 4 KiB, an entry each",
        args: "4k",
        model: Direct,
        copies: None,
        textbook: None,
    },
    Path {
        name: "2m",
        about: "pages of 2 MiB",
        args: "2m",
        model: Direct,
        copies: None,
        textbook: None,
    },
];

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "page-faults",
        about: "2 MiB of fresh memory mapped, touched and unmapped",
        program: "page_fault_work",
        args: "",
        paths: SIZES,
    },
    Workload {
        name: "address-spaces",
        about: "a turn of each of two processes that read 2 MiB of their own",
        program: "space_work",
        args: "",
        paths: SIZES,
    },
];
