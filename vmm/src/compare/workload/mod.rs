//! What is compared: workloads, and the paths by which each can be done, as tables.

mod block;
mod clock;
mod memory;
mod paging;

pub(super) use memory::RETURNED_BYTES;

/// A way to a device.
pub(super) struct Path {
    /// Its name.
    pub(super) name: &'static str,
    /// What it is, in a line.
    pub(super) about: &'static str,
    /// What the program is told of it.
    args: &'static str,
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
        clock::WORKLOADS,
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
    fn every_program_is_in_the_guest() {
        for workload in all() {
            assert!(guest::has_program(workload.program), "{}", workload.program);
        }
    }
}
