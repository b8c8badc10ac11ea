//! Who ran when: the kernel's trace of turns, as the rows of a Gantt chart.

use crate::check::{Check, Context as _, Failure, Verdict};
use crate::sys;
use abi::syscall::Turn;
use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

/// Turns that are kept.
const CAPACITY: usize = 4096;
/// Read at a time.
const PART: usize = 128;

/// Turns are being kept.
pub struct Keeping(());

/// The turns of this process's threads from a certain one on.
pub struct Turns {
    turns: Vec<Turn>,
    first_tid: u64,
    start_ns: u64,
}

impl Turns {
    /// Has them kept from now on.
    pub fn begin() -> Result<Keeping, Failure> {
        sys::trace_turns(CAPACITY as u64).context("trace turns")?;
        Ok(Keeping(()))
    }

    /// When the first of them could run: when whoever was before it left the processor.
    pub fn start_ns(&self) -> u64 {
        self.start_ns
    }

    /// How often a thread came to another processor than it was on before.
    pub fn migrations(&self) -> u64 {
        let mut last: BTreeMap<u32, u32> = BTreeMap::new();
        let moves = self.turns.iter().filter(|turn| {
            let before = last.insert(turn.tid, turn.cpu);
            before.is_some_and(|cpu| cpu != turn.cpu)
        });
        moves.count() as u64
    }

    /// Reports them as rows of the series `slices`; the first thread's name is `names`' first.
    pub fn report(&self, check: &Check, names: &[&str]) -> Verdict {
        let mut rows: Vec<[u64; 4]> = Vec::new();
        for turn in &self.turns {
            let task = u64::from(turn.tid) - self.first_tid;
            if task >= names.len() as u64 {
                continue;
            }
            let (from_ns, to_ns) = (turn.from_ns - self.start_ns, turn.to_ns - self.start_ns);
            match rows.last_mut() {
                // It went on, as nobody else wanted to.
                Some(last) if last[..2] == [task, turn.cpu.into()] && last[3] == from_ns => {
                    last[3] = to_ns;
                }
                _ => rows.push([task, turn.cpu.into(), from_ns, to_ns]),
            }
        }
        let columns = ["task", "cpu", "from_ns", "to_ns"];
        check.series("slices", names, &columns, rows.as_flattened())
    }
}

impl Keeping {
    /// Has no more kept; what there is of threads from `first_tid` on.
    pub fn end(self, first_tid: u64) -> Result<Turns, Failure> {
        let own = sys::get_pid().context("pid")?.0;
        let all = read_all()?;
        sys::trace_turns(0).context("trace turns")?;
        let is_own = |turn: &&Turn| u64::from(turn.pid) == own && u64::from(turn.tid) >= first_tid;
        let turns: Vec<Turn> = all.iter().filter(is_own).copied().collect();
        let first_ns = turns.iter().map(|turn| turn.from_ns).min().unwrap_or(0);
        let before = all.iter().map(|turn| turn.to_ns);
        let start_ns = before.filter(|to_ns| *to_ns <= first_ns).max();
        Ok(Turns {
            turns,
            first_tid,
            start_ns: start_ns.unwrap_or(first_ns),
        })
    }
}

fn read_all() -> Result<Vec<Turn>, Failure> {
    let mut all = Vec::new();
    let mut part = vec![Turn::default(); PART];
    loop {
        let read = sys::read_turns(all.len(), &mut part).context("read turns")?;
        all.extend_from_slice(&part[..read]);
        if read < PART {
            return Ok(all);
        }
    }
}
