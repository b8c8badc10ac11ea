//! Network cards, each with a peer of its own ([`super::super::peer`]).

use super::Model::{Emulated, Paravirtual};
use super::{Path, Textbook, Workload};

/// What differs between the ways to a card, in one direction or both.
struct Costs {
    /// See [`Path`]: of the NE2000, the e1000, virtio-net, and that by its window.
    copies: [u8; 4],
    textbook: [Textbook; 3],
}

/// Out: a NE2000's bytes go through the page of port data, the card's memory and the packet that it
/// sends, an e1000's into that packet; both leave by the emulated cards' common buffer.
///
/// By the book: interrupt status, address, count and command of the remote DMA (AN-874 and the
/// DP8390D data sheet), and of the transmission; tail and interrupt cause (SDM 3.4, 13.4.17); a
/// doorbell (virtio 1.3 2.7.13.4).
const SEND: Costs = Costs {
    copies: [5, 3, 1, 1],
    textbook: [
        Textbook::Words { setup: 11 },
        Textbook::Fixed(2),
        Textbook::Fixed(1),
    ],
};

/// In: the last copy is the drivers', or the string instruction's, but there is none in a window.
const RECEIVE: Costs = Costs {
    copies: [4, 3, 2, 1],
    textbook: [
        Textbook::Words { setup: 11 },
        Textbook::Fixed(2),
        Textbook::Fixed(1),
    ],
};

/// Both, 64 bytes; small frames are copied once more before they go, but for the NE2000's. Its words
/// of the way back are among what is beside the words.
const ROUND_TRIP: Costs = Costs {
    copies: [9, 7, 4, 2],
    textbook: [
        Textbook::Words { setup: 32 + 22 },
        Textbook::Fixed(4),
        Textbook::Fixed(2),
    ],
};

const fn cards(costs: &Costs) -> [Path; 5] {
    let [ne2000, e1000, virtio, window] = costs.copies;
    let [ne2000_book, e1000_book, virtio_book] = costs.textbook;
    [
        Path {
            name: "ne2000",
            about: "RTL8029AS: frames by string instructions at its data port",
            args: "eth-ne2000 interrupt",
            model: Emulated,
            copies: Some(ne2000),
            textbook: Some(ne2000_book),
        },
        Path {
            name: "e1000",
            about: "82540EM: rings of descriptors, a register write a batch",
            args: "eth-e1000 interrupt",
            model: Emulated,
            copies: Some(e1000),
            textbook: Some(e1000_book),
        },
        Path {
            name: "virtio",
            about: "virtio-net: a doorbell and an interrupt a batch, MSI-X",
            args: "eth-virtio interrupt",
            model: Paravirtual,
            copies: Some(virtio),
            textbook: Some(virtio_book),
        },
        Path {
            name: "virtio-poll",
            about: "the same, the driver looking at the rings, not interrupted",
            args: "eth-virtio poll",
            model: Paravirtual,
            copies: Some(virtio),
            textbook: Some(virtio_book),
        },
        Path {
            name: "virtio-window",
            about: "the same with interrupts, frames in memory that the program shares with the driver",
            args: "eth-virtio window",
            model: Paravirtual,
            copies: Some(window),
            textbook: Some(virtio_book),
        },
    ]
}

/// The same for a stream of TCP, a piece an operation, and by virtio's last path pieces that nobody
/// cuts.
const fn tcp_paths(costs: &Costs, about: &'static str) -> [Path; 6] {
    let [ne2000, e1000, virtio, poll, window] = cards(costs);
    let offload = Path {
        name: "virtio-offload",
        about,
        args: "eth-virtio offload",
        model: Paravirtual,
        copies: window.copies,
        textbook: window.textbook,
    };
    [ne2000, e1000, virtio, poll, window, offload]
}

/// Frames of a piece: a descriptor and a part of a doorbell each, or words.
const PIECE_FRAMES: u32 = 44;
const TCP_TEXTBOOK: [Textbook; 3] = [
    Textbook::Words {
        setup: PIECE_FRAMES * (11 + 27),
    },
    Textbook::Fixed(2),
    Textbook::Fixed(1),
];
const SEND_TCP: Costs = Costs {
    copies: SEND.copies,
    textbook: TCP_TEXTBOOK,
};
const RECEIVE_TCP: Costs = Costs {
    copies: RECEIVE.copies,
    textbook: TCP_TEXTBOOK,
};

/// Both ways, by a thread for each processor.
const fn thread_paths() -> [Path; 4] {
    let [_, e1000, virtio, _, window] = cards(&BOTH);
    let queues = Path {
        name: "virtio-queues",
        about: "virtio-net with a pair of queues and two interrupts for each of several processors",
        args: "eth-virtio interrupt each",
        model: Paravirtual,
        copies: virtio.copies,
        textbook: virtio.textbook,
    };
    [
        Path {
            args: "eth-e1000 interrupt one",
            ..e1000
        },
        Path {
            args: "eth-virtio interrupt one",
            ..virtio
        },
        Path {
            args: "eth-virtio window one",
            ..window
        },
        queues,
    ]
}

/// Out and in.
const BOTH: Costs = Costs {
    copies: [9, 6, 3, 2],
    textbook: ROUND_TRIP.textbook,
};

const PROGRAM: &str = "net_work";

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "net-roundtrip",
        about: "64-byte frames to the peer and back, one at a time",
        program: PROGRAM,
        args: "roundtrip 64 1",
        paths: &const { cards(&ROUND_TRIP) },
    },
    Workload {
        name: "net-send",
        about: "frames with packets of 1500 bytes to the peer, in batches of 32",
        program: PROGRAM,
        args: "send 1514 32",
        paths: &const { cards(&SEND) },
    },
    Workload {
        name: "net-receive",
        about: "frames with packets of 1500 bytes from the peer, up to 32 at a time",
        program: PROGRAM,
        args: "receive 1514 32",
        paths: &const { cards(&RECEIVE) },
    },
    Workload {
        name: "net-threads",
        about: "frames with packets of 1500 bytes to the peer and back, by a thread a processor",
        program: "net_threads_work",
        args: "1514 16",
        paths: &const { thread_paths() },
    },
    Workload {
        name: "net-tcp",
        about: "pieces of 64240 bytes of a TCP stream to the peer, 44 segments each",
        program: "net_tcp_work",
        args: "send 64240",
        paths: &const {
            tcp_paths(
                &SEND_TCP,
                "as virtio-window, pieces sent whole: the card cuts them and sums them up",
            )
        },
    },
    Workload {
        name: "net-tcp-receive",
        about: "pieces of 64240 bytes of a TCP stream from the peer, 44 segments each",
        program: "net_tcp_work",
        args: "receive 64240",
        paths: &const {
            tcp_paths(
                &RECEIVE_TCP,
                "as virtio-window, pieces taken whole: neither cut nor summed up by anybody",
            )
        },
    },
];
