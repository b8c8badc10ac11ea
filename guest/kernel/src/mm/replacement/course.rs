//! The two traces of the operating-systems course, and how often each policy faults on them.
//!
//! The figures of FIFO, OPT and LRU are the course's; the others were worked out by a model apart.

use super::conformance::Memory;
use super::*;

/// Belady's: FIFO faults more often with more frames.
pub(super) const BELADY: [u64; 12] = [0, 1, 2, 3, 0, 1, 4, 0, 1, 2, 3, 4];
const LONG: [u64; 22] = [
    7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1,
];

/// Policy, and faults on the first trace with 3 and 4 frames, on the second with 3.
const FAULTS: [(&str, [u32; 3]); 7] = [
    ("fifo", [9, 10, 15]),
    ("opt", [7, 6, 9]),
    ("lru", [10, 8, 12]),
    ("clock", [9, 10, 14]),
    ("aging", [9, 9, 12]),
    ("lfu", [10, 8, 13]),
    ("mfu", [9, 10, 12]),
];

#[test]
fn faults_on_the_courses_traces_are_those_of_the_book() {
    for (name, expected) in FAULTS {
        let known = from_name(name).unwrap();
        let found = [(3, &BELADY[..]), (4, &BELADY), (3, &LONG)]
            .map(|(frames, trace)| Memory::run(known, frames, trace));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn nobody_beats_the_optimal_policy() {
    let opt = from_name("opt").unwrap();
    for frames in 1..6 {
        for trace in [&BELADY[..], &LONG] {
            let best = Memory::run(opt, frames, trace);
            for known in POLICIES {
                let faults = Memory::run(known, frames, trace);
                assert!(faults >= best, "{} {frames}: {faults} {best}", known.name);
            }
        }
    }
}
