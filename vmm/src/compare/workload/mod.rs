//! What is compared: workloads, and the paths by which each can be done, as tables.

mod block;
mod clock;
mod console;
mod interrupts;
mod memory;
mod net;
mod paging;
mod requests;

pub(super) use memory::RETURNED_BYTES;

use serde::Serialize;

/// Who makes what a path goes to (the three models of device virtualization).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Model {
    /// Hardware that exists elsewhere: each access of an unaware driver is trapped and emulated.
    Emulated,
    /// A split driver: its half in the guest knows of the other half on the host.
    Paravirtual,
    /// The processor itself, handed through to the guest.
    Direct,
}

impl Model {
    /// As it is shown.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Emulated => "emulated",
            Self::Paravirtual => "paravirtual",
            Self::Direct => "direct",
        }
    }
}

/// Accesses to device registers that an operation takes by the book, doorbells among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Textbook {
    /// Programmed IO: each word of two bytes through the data port, and so many more to set up.
    Words {
        /// Beside the words.
        setup: u32,
    },
    /// So many whatever the size; by DMA a descriptor in memory stands for the data.
    Fixed(u32),
}

impl Textbook {
    /// For an operation of so many bytes.
    pub(super) fn accesses(self, bytes: u64) -> u64 {
        match self {
            Self::Words { setup } => bytes.div_ceil(2) + u64::from(setup),
            Self::Fixed(count) => count.into(),
        }
    }
}

/// A way to a device.
pub(super) struct Path {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is, in a line.
    pub(super) about: &'static str,
    /// What the program is told of it.
    args: &'static str,
    /// Who makes what it goes to.
    pub(super) model: Model,
    /// How often a processor, the guest's or the host's, moves each byte between the program's
    /// buffer and where the host keeps it, the move there or from there included: on its way
    /// through a device's buffer and KVM's page of port data it is moved three times, by DMA
    /// once. `None` where no data move.
    pub(super) copies: Option<u8>,
    /// What a textbook says of it, where one does.
    pub(super) textbook: Option<Textbook>,
}

/// Something to be done.
pub(super) struct Workload {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is, in a line.
    pub(super) about: &'static str,
    /// The guest's program.
    pub(super) program: &'static str,
    /// What the program is told after the path's part.
    args: &'static str,
    /// The ways that there are, the one that takes most traps first.
    pub(super) paths: &'static [Path],
}

impl Workload {
    /// Arguments of the program, for a run of so many milliseconds by `path`.
    pub(super) fn args(&self, path: &Path, ms: u32) -> String {
        format!("{} {} {ms}", path.args, self.args)
    }
}

/// All workloads.
pub(super) fn all() -> impl Iterator<Item = &'static Workload> {
    let groups = [
        block::WORKLOADS,
        net::WORKLOADS,
        clock::WORKLOADS,
        console::WORKLOADS,
        interrupts::WORKLOADS,
        requests::WORKLOADS,
        memory::WORKLOADS,
        paging::WORKLOADS,
    ];
    groups.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_one_word_each_and_differ() {
        let names: Vec<&str> = all().map(|workload| workload.name).collect();
        let paths = |workload: &Workload| workload.paths.iter().map(|path| path.name).collect();
        let paths: Vec<Vec<&str>> = all().map(paths).collect();
        for names in paths.into_iter().chain([names]) {
            assert_eq!(BTreeSet::from_iter(&names).len(), names.len());
            assert!(names.iter().all(|name| !name.contains([' ', ',', '.'])));
        }
    }

    #[test]
    fn by_the_book_a_packet_is_words_or_a_descriptor() {
        assert_eq!(Textbook::Words { setup: 10 }.accesses(1514), 757 + 10);
        assert_eq!(Textbook::Words { setup: 7 }.accesses(4096), 2048 + 7);
        assert_eq!(Textbook::Words { setup: 0 }.accesses(1), 1);
        assert_eq!(Textbook::Fixed(1).accesses(1514), 1);
    }

    #[test]
    fn every_program_is_in_the_guest() {
        for workload in all() {
            assert!(guest::has_program(workload.program), "{}", workload.program);
        }
    }
}
