//! Laboratory: words handed over to another process by copies or in common memory.
//!
//! - `way=copy|map bytes=N most=N uses=N`: what it costs that way; not more than `most` bytes.
//! - `way=cross most=N`: from how many bytes on, up to `most`, the memory costs less than the copies, when
//!   it is used once, 4 times and 16 times.
#![no_std]
#![no_main]

use user::alloc::format;
use user::alloc::vec::Vec;
use user::check::{Check, Failure, Verdict};
use user::ensure;
use user::ipc::hand_over::{Mode, Sender};
use user::ipc::way::check_size;

user::check!(run);

const MOST_BYTES: u64 = 16 << 20;
const MOST_USES: u64 = 1024;
/// Bytes up to which a cost is the least of several tries.
const SMALL: usize = 64 * 1024;
const TRIES: u64 = 5;

fn run(check: &mut Check) -> Verdict {
    let most = check.value("most")?;
    check_size(most, MOST_BYTES)?;
    let mode = match check.text("way")? {
        "copy" => Mode::Copy,
        "map" => Mode::Map,
        "cross" => return cross(check, most as usize),
        way => {
            let text = format!("way={way} is none of copy, map, cross");
            return Err(Failure(text));
        }
    };
    let (bytes, uses) = (check.value("bytes")?, check.value("uses")?);
    ensure!(
        (1..=MOST_USES).contains(&uses),
        "uses={uses} is not from 1 to {MOST_USES}"
    );
    check_size(bytes, MOST_BYTES)?;
    let bytes = bytes.min(most) as usize;
    let mut sender = Sender::start()?;
    let cost_ns = least(&mut sender, mode, bytes, uses)?;
    sender.end()?;
    check.metric("cost_ns", cost_ns);
    check.metric("uses", uses);
    Ok(())
}

fn tries(bytes: usize) -> u64 {
    if bytes <= SMALL { TRIES } else { 1 }
}

/// What handing over so many times costs: the least of some tries, as others can only make it more.
fn least(sender: &mut Sender, mode: Mode, bytes: usize, uses: u64) -> Result<u64, Failure> {
    let mut least = u64::MAX;
    for _ in 0..(tries(bytes) / uses).max(1) {
        let took = sender.hand_over(mode, bytes, uses)?;
        least = least.min(took.iter().sum());
    }
    Ok(least)
}

/// What a size costs.
struct Costs {
    bytes: u64,
    /// Each time that it is copied.
    copy_ns: u64,
    /// Mapped, used once and given back.
    once_ns: u64,
    /// Each time more that it is used while it is mapped.
    again_ns: u64,
}

impl Costs {
    fn measure(sender: &mut Sender, bytes: usize) -> Result<Self, Failure> {
        let tries = tries(bytes);
        let shortest = |took: &[u64]| took.iter().copied().min().unwrap_or(u64::MAX);
        let copies = sender.hand_over(Mode::Copy, bytes, tries)?;
        let uses = sender.hand_over(Mode::Map, bytes, tries + 2)?;
        let mut once_ns = u64::MAX;
        for _ in 0..tries {
            once_ns = once_ns.min(shortest(&sender.hand_over(Mode::Map, bytes, 1)?));
        }
        Ok(Self {
            bytes: bytes as u64,
            copy_ns: shortest(&copies),
            once_ns,
            again_ns: shortest(&uses[1..=tries as usize]),
        })
    }

    /// By how much the copies of so many uses cost more than the memory; negative if they cost less.
    fn saved_ns(&self, uses: u64) -> i128 {
        let copied = i128::from(uses) * i128::from(self.copy_ns);
        let again = i128::from(uses - 1) * i128::from(self.again_ns);
        copied - i128::from(self.once_ns) - again
    }
}

/// Numbers of uses whose cross-over is looked for; that of the first comes last.
const USES: [u64; 3] = [1, 4, 16];

fn cross(check: &mut Check, most: usize) -> Verdict {
    let mut sender = Sender::start()?;
    let mut found: Vec<Costs> = Vec::new();
    let sizes = (3..).map(|power| 1 << power);
    for bytes in sizes.take_while(|bytes| *bytes <= most) {
        found.push(Costs::measure(&mut sender, bytes)?);
        if found.last().is_some_and(|last| last.saved_ns(USES[0]) > 0) {
            break;
        }
    }
    sender.end()?;
    let rows = found.iter();
    let rows = rows.flat_map(|at| [at.bytes, at.copy_ns, at.once_ns, at.again_ns]);
    let rows: Vec<_> = rows.collect();
    let columns = ["size_bytes", "copy_ns", "map_once_ns", "map_again_ns"];
    check.series("costs", &[], &columns, &rows)?;
    for uses in USES {
        if let Some(bytes) = crossing(&found, uses) {
            check.metric(format!("crossover_{uses}_bytes"), bytes);
        }
    }
    Ok(())
}

/// From how many bytes on memory costs less than copies, if it does for the largest size: on a straight
/// line between the largest for which it does not and the next.
fn crossing(costs: &[Costs], uses: u64) -> Option<u64> {
    let index = costs.iter().rposition(|at| at.saved_ns(uses) <= 0)?;
    let (before, after) = (&costs[index], costs.get(index + 1)?);
    let (lost, saved) = (-before.saved_ns(uses), after.saved_ns(uses));
    let step = i128::from(after.bytes - before.bytes);
    let bytes = i128::from(before.bytes) + step * lost / (lost + saved);
    u64::try_from(bytes).ok()
}
