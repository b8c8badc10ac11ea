//! Laboratory: the same pages looked up in page tables of several kinds, which are models.
//!
//! Arguments: `table=radix`, `hashed` or `inverted`; `pages` that are there, in clusters of `cluster`
//! in an address space of 2^36 pages; `lookups` by lot.
#![no_std]
#![no_main]

use user::alloc::format;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::lab::random::Random;
use user::lab::table::{TABLES, Words};
use user::time::now_ns;

user::check!(run);

/// Where pages may be.
const SPACE_BITS: u32 = 36;

/// Numbers of pages, none twice.
fn pages(check: &Check) -> Result<Vec<u64>, Failure> {
    let (count, cluster) = (check.value("pages")?, check.value("cluster")?);
    ensure!((1..=16384).contains(&count), "pages={count}: 1 to 16384");
    ensure!((1..=512).contains(&cluster), "cluster={cluster}: 1 to 512");
    let mut random = Random::new(5);
    let mut pages = Vec::new();
    while (pages.len() as u64) < count {
        let start = random.next_word() >> (64 - SPACE_BITS) & !511;
        pages.extend((0..cluster.min(count - pages.len() as u64)).map(|page| start + page));
    }
    pages.sort_unstable();
    pages.dedup();
    Ok(pages)
}

fn run(check: &mut Check) -> Verdict {
    let name = check.text("table")?;
    let known = TABLES.iter().find(|(known, _)| *known == name);
    let unknown = || Failure(format!("table={name}: radix, hashed or inverted"));
    let (_, make) = known.ok_or_else(unknown)?;
    let lookups = check.value("lookups")?;
    let pages = pages(check)?;
    let mut table = make(pages.len()).context("a table")?;
    for (frame, page) in (0..).zip(&pages) {
        ensure!(table.insert(*page, frame), "no room for page {page:#x}");
    }
    let (mut words, mut random) = (Words::default(), Random::new(9));
    let start = now_ns();
    for _ in 0..lookups {
        let index = random.below(pages.len());
        let found = table.find(&mut words, pages[index]);
        ensure!(found == Some(index as u64), "page {index} is in {found:?}");
    }
    let elapsed_ns = now_ns() - start;
    let mut others = Words::default();
    let absent = pages.iter().map(|page| page ^ (1 << (SPACE_BITS - 1)));
    for page in absent.filter(|page| pages.binary_search(page).is_err()) {
        let found = table.find(&mut others, page);
        ensure!(
            found.is_none(),
            "page {page:#x}, which is nowhere, is in {found:?}"
        );
    }
    check.line("a model: a program looks up what is in its own memory")?;
    let figures = [
        ("pages", pages.len() as u64),
        ("lookups", lookups),
        ("words_read", words.read),
        ("table_bytes", table.size_words() as u64 * 8),
        ("elapsed_ns", elapsed_ns),
        ("lookup_ps", elapsed_ns * 1000 / lookups.max(1)),
    ];
    for (name, value) in figures {
        check.metric(name, value);
    }
    Ok(())
}
