//! Network cards, each with a peer of its own ([`super::super::peer`]).

use super::{Path, Workload};

const CARDS: &[Path] = &[
    Path {
        name: "ne2000",
        about: "RTL8029AS: frames by string instructions at its data port",
        args: "eth-ne2000 interrupt",
    },
    Path {
        name: "e1000",
        about: "82540EM: rings of descriptors, a register write a batch",
        args: "eth-e1000 interrupt",
    },
    Path {
        name: "virtio",
        about: "virtio-net: a doorbell and an interrupt a batch, MSI-X",
        args: "eth-virtio interrupt",
    },
    Path {
        name: "virtio-poll",
        about: "the same, the driver looking at the rings, not interrupted",
        args: "eth-virtio poll",
    },
];

const PROGRAM: &str = "net_work";

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "net-roundtrip",
        about: "64-byte frames to the peer and back, one at a time",
        program: PROGRAM,
        args: "roundtrip 64 1",
        paths: CARDS,
    },
    Workload {
        name: "net-send",
        about: "frames with packets of 1500 bytes to the peer, in batches of 32",
        program: PROGRAM,
        args: "send 1514 32",
        paths: CARDS,
    },
    Workload {
        name: "net-receive",
        about: "frames with packets of 1500 bytes from the peer, up to 32 at a time",
        program: PROGRAM,
        args: "receive 1514 32",
        paths: CARDS,
    },
];
