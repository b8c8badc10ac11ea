//! Who ran when: the kernel's trace of turns, as the rows of a Gantt chart.

use crate::check::{Check, Context as _, Failure, Verdict};
use crate::sys;
use abi::syscall::Turn;
use alloc::vec;
use alloc::vec::Vec;

/// Turns that are kept.
const CAPACITY: usize = 4096;
/// Read at a time.
const PART: usize = 128;

/// The turns of this process's threads.
pub struct Turns {
    turns: Vec<Turn>,
    start_ns: u64,
}

impl Turns {
    /// Has them kept from now on.
    pub fn begin() -> Result<Self, Failure> {
        sys::trace_turns(CAPACITY as u64).context("trace turns")?;
        Ok(Self {
            turns: Vec::new(),
            start_ns: 0,
        })
    }

    /// Reads those kept, which count from `start_ns` on, and has no more kept.
    pub fn end(&mut self, start_ns: u64) -> Verdict {
        let own = sys::get_pid().context("pid")?.0;
        let mut part = vec![Turn::default(); PART];
        let mut first = 0;
        loop {
            let read = sys::read_turns(first, &mut part).context("read turns")?;
            first += read;
            let turns = part[..read].iter();
            self.turns
                .extend(turns.filter(|turn| u64::from(turn.pid) == own && turn.to_ns >= start_ns));
            if read < PART {
                break;
            }
        }
        self.start_ns = start_ns;
        sys::trace_turns(0).context("trace turns")
    }

    /// The turns of thread `tid`.
    pub fn of(&self, tid: u64) -> impl Iterator<Item = &Turn> {
        self.turns
            .iter()
            .filter(move |turn| u64::from(turn.tid) == tid)
    }

    /// Reports them as rows of the series `slices`; thread `first_tid` is `names`' first, and so on.
    pub fn report(&self, check: &Check, names: &[&str], first_tid: u64) -> Verdict {
        let mut rows: Vec<[u64; 4]> = Vec::new();
        for turn in &self.turns {
            let Some(task) = u64::from(turn.tid).checked_sub(first_tid) else {
                continue;
            };
            if task >= names.len() as u64 {
                continue;
            }
            let from_ns = turn.from_ns.saturating_sub(self.start_ns);
            let row = [task, turn.cpu.into(), from_ns, turn.to_ns - self.start_ns];
            match rows.last_mut() {
                // It went on, as nobody else wanted to.
                Some(last) if last[..2] == row[..2] && last[3] == row[2] => last[3] = row[3],
                _ => rows.push(row),
            }
        }
        let columns = ["task", "cpu", "from_ns", "to_ns"];
        check.series("slices", names, &columns, rows.as_flattened())
    }
}
