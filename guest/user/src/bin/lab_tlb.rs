//! Laboratory: what an access costs by the number of pages that are used in turn, and by their size.
//!
//! `size=4k|2m|1g spots=N laps=N seed=N`: of N times 4 KiB a word each is read, by lot, each when the one
//! before has come. The words are the same few cache lines whatever the size of the pages; what differs is
//! how many translations they need. `hit=PERCENT hot=N`: N spots more get that part of the accesses,
//! and those, all accesses to the first N and the mixture are timed.
#![no_std]
#![no_main]

use user::abi::syscall::{Errno, PageSize};
use user::alloc::format;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::lab::confined::value_or;
use user::lab::random::Random;
use user::lab::walk::{Spots, shuffled};
use user::mapping::PAGES_PER_LARGE;
use user::{ensure, sys};

user::check!(run);

const MOST_SPOTS: u64 = 1 << 14;
const MOST_LAPS: u64 = 1 << 16;
/// Accesses of a lap at least, that it takes long enough to be timed.
const LEAST_ACCESSES: usize = 4096;
/// Largest percentage of hits: with more a lap were too long to come by all that is not hit.
const MOST_HITS: u64 = 99;

/// Names of page sizes, and spots in a page.
const SIZES: [(&str, PageSize, usize); 3] = [
    ("4k", PageSize::Small, 1),
    ("2m", PageSize::Large, PAGES_PER_LARGE),
    ("1g", PageSize::Huge, PAGES_PER_LARGE * PAGES_PER_LARGE),
];

fn size(check: &Check) -> Result<(PageSize, usize), Failure> {
    let name = check.text("size")?;
    let found = SIZES.iter().find(|known| known.0 == name);
    let unknown = || Failure(format!("size={name} is none of 4k, 2m, 1g"));
    found.map(|known| (known.1, known.2)).ok_or_else(unknown)
}

fn bounded(check: &Check, name: &str, most: u64) -> Result<u64, Failure> {
    let value = check.value(name)?;
    ensure!(
        (1..=most).contains(&value),
        "{name}={value} is not from 1 to {most}"
    );
    Ok(value)
}

fn run(check: &mut Check) -> Verdict {
    let (size, spots_a_page) = size(check)?;
    let count = bounded(check, "spots", MOST_SPOTS)? as usize;
    let hot = value_or(check, "hot", 0)?.min(MOST_SPOTS) as usize;
    let free = || sys::stats().context("stats").map(|stats| stats.free_frames);
    let before = free()?;
    let spots = match Spots::new(size, count + hot) {
        Err(Errno::NoSys) => return check.line("the processor has no pages of that size"),
        Err(Errno::NoMem) => return check.line("there is no memory for a page of that size"),
        spots => spots.context("mmap")?,
    };
    check.metric("frames", before.saturating_sub(free()?));
    check.metric("pages", spots.count().div_ceil(spots_a_page) as u64);
    let mut random = Random::new(check.value("seed")?);
    match hot {
        0 => reach(check, &spots, &mut random),
        _ => mixture(check, &spots, hot, &mut random),
    }
}

/// All spots in turn.
fn reach(check: &mut Check, spots: &Spots, random: &mut Random) -> Verdict {
    let laps = bounded(check, "laps", MOST_LAPS)?;
    let tsc_khz = sys::sys_info().context("system info")?.tsc_khz;
    let order = shuffled(0, spots.count(), random);
    let turns = LEAST_ACCESSES.div_ceil(order.len());
    let order = order.repeat(turns);
    check.metric("access_ps", spots.access_ps(&order, laps, tsc_khz));
    Ok(())
}

/// The first `hot` spots, the others, and both.
fn mixture(check: &mut Check, spots: &Spots, hot: usize, random: &mut Random) -> Verdict {
    let laps = bounded(check, "laps", MOST_LAPS)?;
    let hits = bounded(check, "hit", MOST_HITS)? as usize;
    let tsc_khz = sys::sys_info().context("system info")?.tsc_khz;
    let cold = shuffled(hot, spots.count() - hot, random);
    let hits_only: Vec<u32> = (0..LEAST_ACCESSES)
        .map(|_| random.below(hot) as u32)
        .collect();
    // Each cold spot comes once a lap, so long after it came last that it was forgotten.
    let mut mixed = Vec::with_capacity(cold.len() * 100 / (100 - hits));
    for (number, spot) in cold.iter().enumerate() {
        let wanted = (number + 1) * 100 / (100 - hits);
        while mixed.len() + 1 < wanted {
            mixed.push(random.below(hot) as u32);
        }
        mixed.push(*spot);
    }
    check.metric("hit_ps", spots.access_ps(&hits_only, laps, tsc_khz));
    check.metric("miss_ps", spots.access_ps(&cold, laps, tsc_khz));
    check.metric("access_ps", spots.access_ps(&mixed, laps, tsc_khz));
    check.metric("accesses", mixed.len() as u64);
    check.metric("misses", cold.len() as u64);
    Ok(())
}
