//! Laboratory: what the processor's memory of translations (TLB) spares.
//!
//! Arguments: `work=reach`: a word of each of `pages` pages of 4 KiB is read, in an order by lot,
//! again and again, in memory of `size=4k` or `2m` pages; the time of a read. `work=mix`: 80 and 99 %
//! of the reads are of one page, the others go round `pages` pages; the time of a read against what
//! hits and misses alone cost (effective access time).
#![no_std]
#![no_main]

use user::abi::syscall::{Advice, PageSize, Protection};
use user::alloc::format;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::lab::random::Random;
use user::mapping::{Mapping, WORDS_PER_PAGE};
use user::time::now_ns;

user::check!(run);

/// Reads that are timed at a time.
const READS: usize = 100_000;
/// Times of which the shortest counts: nothing else came in between.
const TIMES: usize = 7;

/// All pages in an order by lot that goes round once: each page's word holds the next page.
fn chain(memory: &Mapping, pages: &[usize]) {
    for (index, page) in pages.iter().enumerate() {
        let next = pages[(index + 1) % pages.len()];
        memory.write(*page, word_of(*page), next as u64);
    }
}

/// Which word of a page is read: not the same of all, or they would be in the same set of the cache.
fn word_of(page: usize) -> usize {
    page * 8 % WORDS_PER_PAGE
}

fn by_lot(pages: usize) -> Vec<usize> {
    let mut random = Random::new(7);
    let mut order: Vec<usize> = (0..pages).collect();
    for index in (1..pages).rev() {
        order.swap(index, random.below(index + 1));
    }
    order
}

/// Follows the chain from `start`; the least time of a read in picoseconds.
fn follow(memory: &Mapping, start: usize) -> u64 {
    let time = |_| {
        let began = now_ns();
        let mut page = start;
        for _ in 0..READS {
            page = memory.read(page, word_of(page)) as usize;
        }
        now_ns() - began
    };
    let best_ns = (0..TIMES).map(time).min().unwrap_or(0);
    best_ns * 1000 / READS as u64
}

/// As [`follow`], of reads that go on in the chain at `cold` but for `hits` of 100, which stay at
/// `hot`.
fn follow_mixed(memory: &Mapping, hot: usize, cold: usize, hits: usize) -> u64 {
    let mut kinds = [false; 100];
    let mut random = Random::new(3);
    let mut left = 100 - hits;
    while left > 0 {
        let kind = &mut kinds[random.below(100)];
        left -= usize::from(!*kind);
        *kind = true;
    }
    let time = |_| {
        let began = now_ns();
        // Each read's address comes of the read before, so that no two are done at once.
        let (mut cold, mut last) = (cold, 0);
        for _ in 0..READS / 100 {
            for is_cold in kinds {
                if is_cold {
                    cold = memory.read(cold + last, word_of(cold)) as usize;
                    last = 0;
                } else {
                    last = memory.read(hot + last, word_of(hot)) as usize - hot;
                }
            }
        }
        now_ns() - began
    };
    let best_ns = (0..TIMES).map(time).min().unwrap_or(0);
    best_ns * 1000 / READS as u64
}

fn memory(check: &Check, spare: usize) -> Result<(Mapping, usize), Failure> {
    let pages = check.value("pages")? as usize;
    ensure!((2..=4096).contains(&pages), "pages={pages}: 2 to 4096");
    let size = match check.named("size") {
        None | Some("4k") => PageSize::Small,
        Some("2m") => PageSize::Large,
        Some(other) => return Err(Failure(format!("size={other}: 4k or 2m"))),
    };
    let memory = Mapping::of(size, pages + spare, Protection::ReadWrite).context("mmap")?;
    if size == PageSize::Small {
        // Without a fault for each.
        let advised = memory.advise(0, pages + spare, Advice::WillNeed, 0);
        advised.context("making the pages")?;
    }
    Ok((memory, pages))
}

fn reach(check: &mut Check) -> Verdict {
    let (memory, pages) = memory(check, 0)?;
    chain(&memory, &by_lot(pages));
    check.metric("read_ps", follow(&memory, 0));
    Ok(())
}

/// Percentages of hits.
const HITS: [u64; 2] = [80, 99];

fn mix(check: &mut Check) -> Verdict {
    let (memory, pages) = memory(check, 1)?;
    let hot = pages;
    chain(&memory, &by_lot(pages));
    memory.write(hot, word_of(hot), hot as u64);
    let [hit_ps, miss_ps] = [100, 0].map(|hits| follow_mixed(&memory, hot, 0, hits));
    check.metric("hit_ps", hit_ps);
    check.metric("miss_ps", miss_ps);
    for hits in HITS {
        let formula_ps = (hits * hit_ps + (100 - hits) * miss_ps) / 100;
        check.metric(format!("formula_{hits}_ps"), formula_ps);
        let mixed_ps = follow_mixed(&memory, hot, 0, hits as usize);
        check.metric(format!("mixed_{hits}_ps"), mixed_ps);
    }
    Ok(())
}

fn run(check: &mut Check) -> Verdict {
    match check.text("work")? {
        "reach" => reach(check),
        "mix" => mix(check),
        other => Err(Failure(format!("work={other}: reach or mix"))),
    }
}
