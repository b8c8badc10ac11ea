//! Laboratory: words handed over to another process by copies or in common memory.
//!
//! - `way=copy|map bytes=N most=N uses=N`: what it costs that way; not more than `most` bytes.
//! - `way=cross most=N uses=N`: from how many bytes on the memory costs less than the copies.
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
const TRIES: usize = 5;

fn run(check: &mut Check) -> Verdict {
    let (most, uses) = (check.value("most")?, check.value("uses")?);
    check_size(most, MOST_BYTES)?;
    ensure!(
        (1..=MOST_USES).contains(&uses),
        "uses={uses} is not from 1 to {MOST_USES}"
    );
    let mode = match check.text("way")? {
        "copy" => Mode::Copy,
        "map" => Mode::Map,
        "cross" => return cross(check, most as usize, uses),
        way => {
            let text = format!("way={way} is none of copy, map, cross");
            return Err(Failure(text));
        }
    };
    let bytes = check.value("bytes")?;
    check_size(bytes, MOST_BYTES)?;
    let bytes = bytes.min(most) as usize;
    let mut sender = Sender::start(bytes)?;
    let cost_ns = least(&mut sender, mode, bytes, uses)?;
    sender.end()?;
    check.metric("cost_ns", cost_ns);
    check.metric("uses", uses);
    Ok(())
}

/// What handing over costs: the least of some tries, as others can only make it cost more.
fn least(sender: &mut Sender, mode: Mode, bytes: usize, uses: u64) -> Result<u64, Failure> {
    let tries = if bytes <= SMALL { TRIES } else { 1 };
    let mut least = u64::MAX;
    for _ in 0..tries {
        least = least.min(sender.hand_over(mode, bytes, uses)?);
    }
    Ok(least)
}

/// Both costs at a size.
struct Costs {
    bytes: usize,
    copy_ns: u64,
    map_ns: u64,
}

fn cross(check: &mut Check, most: usize, uses: u64) -> Verdict {
    let mut sender = Sender::start(most)?;
    let mut found = Vec::new();
    let sizes = (3..).map(|power| 1 << power);
    for bytes in sizes.take_while(|bytes| *bytes <= most) {
        let copy_ns = least(&mut sender, Mode::Copy, bytes, uses)?;
        let map_ns = least(&mut sender, Mode::Map, bytes, uses)?;
        found.push(Costs {
            bytes,
            copy_ns,
            map_ns,
        });
        if map_ns < copy_ns {
            break;
        }
    }
    sender.end()?;
    let rows = found.iter();
    let rows = rows.flat_map(|at| [at.bytes as u64, at.copy_ns, at.map_ns]);
    let rows: Vec<_> = rows.collect();
    check.series("costs", &[], &["size_bytes", "copy_ns", "map_ns"], &rows)?;
    let bytes = crossing(&found).ok_or("the copies cost less up to the largest size")?;
    check.metric("crossover_bytes", bytes);
    Ok(())
}

/// Where the costs are the same, of sizes that go up to the first at which the map costs less: on
/// straight lines between that and the size before.
fn crossing(costs: &[Costs]) -> Option<u64> {
    let last = costs.last().filter(|last| last.map_ns < last.copy_ns)?;
    let Some(before) = costs.len().checked_sub(2).map(|index| &costs[index]) else {
        return Some(last.bytes as u64);
    };
    let ahead = u128::from(before.map_ns.abs_diff(before.copy_ns));
    let behind = u128::from(last.map_ns.abs_diff(last.copy_ns));
    let step = (last.bytes - before.bytes) as u128;
    let bytes = before.bytes as u128 + step * ahead / (ahead + behind);
    u64::try_from(bytes).ok()
}
