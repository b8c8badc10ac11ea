//! Check: a confined area keeps to its budget, sees every use, and takes no nonsense.
#![no_std]
#![no_main]

use user::abi::confine::{Confine, MOST_USES, PoolSetup, name_bytes};
use user::abi::syscall::{Errno, Protection};
use user::check::{Check, Context as _, Failure, Verdict};
use user::lab::confined::{self, Confined, Setup};
use user::mapping::{Mapping, PAGE};
use user::process::{Child, exit_code};
use user::sys::FOREVER;
use user::{ensure, sys};

user::check!(run);

const PAGES: usize = 6;
/// Where no program has anything.
const NOWHERE: u64 = 0x6666_0000_0000;

fn setup(policy: &'static str, frames: u64, traced: u64) -> Result<Setup, Failure> {
    let name = name_bytes(policy);
    let how = Confine {
        policy: name.ok_or("a name that is too long")?,
        frames,
        traced,
        ..Confine::default()
    };
    Ok(Setup { policy, how })
}

fn run(check: &mut Check) -> Verdict {
    takes_no_nonsense()?;
    is_whole()?;
    keeps_to_its_budget()?;
    sees_every_use()?;
    opens_what_one_instruction_needs()?;
    is_open_to_the_kernel()?;
    is_the_parents_alone()?;
    keeps_to_its_share()?;
    refuses_wrong_victims(check)
}

fn takes_no_nonsense() -> Verdict {
    let pages = Mapping::new(PAGES, Protection::ReadWrite).context("mmap")?;
    let (start, bytes) = (pages.address(), PAGES * PAGE);
    let good = setup("lru", 3, 8)?;
    let bad = [
        ("no frames", setup("fifo", 0, 0)?),
        ("no policy", setup("", 3, 8)?),
        ("a policy that is not", setup("best", 3, 8)?),
        ("LRU that sees nothing", setup("lru", 3, 0)?),
        ("too many uses", setup("fifo", 3, MOST_USES + 1)?),
    ];
    for (what, bad) in bad {
        let answer = sys::confine(start, bytes, &bad.how, &[]);
        ensure!(answer == Err(Errno::Inval), "{what}: {answer:?}");
    }
    let how = (&raw const good.how).addr() as u64;
    let (start, bytes) = (start as u64, bytes as u64);
    let wild = [
        ("an unaligned start", start + 8, bytes, how, Errno::Inval),
        ("nothing", start, 0, how, Errno::Inval),
        ("more than there is", start, bytes + 4096, how, Errno::Inval),
        ("all there could be", 0, u64::MAX, how, Errno::Inval),
        ("what is not there", NOWHERE, 4096, how, Errno::Inval),
        ("the program itself", 0x20_0000, 4096, how, Errno::Inval),
        ("no settings", start, bytes, NOWHERE, Errno::Fault),
    ];
    for (what, start, bytes, how, expected) in wild {
        let answer = sys::confine_wild(start, bytes, how);
        ensure!(answer == Err(expected), "{what}: {answer:?}");
    }
    let endless = Confine {
        future: start,
        future_len: MOST_USES + 1,
        ..good.how
    };
    let answer = sys::confine_wild(start, bytes, (&raw const endless).addr() as u64);
    ensure!(answer == Err(Errno::Inval), "an endless future: {answer:?}");
    let answer = sys::confined_counts(pages.address());
    ensure!(answer == Err(Errno::Inval), "counts of nothing: {answer:?}");
    Ok(())
}

/// It cannot be confined twice, nor cut, nor be given other rights.
fn is_whole() -> Verdict {
    let setup = setup("clock", 3, 0)?;
    let area = Confined::new(PAGES, &setup, &[])?;
    let start = area.pages.address();
    let again = sys::confine(start + PAGE, PAGE, &setup.how, &[]);
    ensure!(again == Err(Errno::Inval), "confined twice: {again:?}");
    let cut = area.pages.unmap(1, 1);
    ensure!(cut == Err(Errno::Inval), "cut: {cut:?}");
    let cut = sys::unconfine(start, PAGE);
    ensure!(cut == Err(Errno::Inval), "a part set free: {cut:?}");
    let other = area.pages.protect(0, PAGES, Protection::Read);
    ensure!(other == Err(Errno::Inval), "other rights: {other:?}");
    sys::unconfine(start, area.bytes()).context("setting it free")?;
    area.pages
        .protect(0, PAGES, Protection::Read)
        .context("other rights afterwards")
}

/// Pages that were there before it was confined count, too, and all keep what they hold.
fn keeps_to_its_budget() -> Verdict {
    for policy in ["fifo", "clock", "random", "enhanced", "aging", "wsclock"] {
        let pages = Mapping::new(PAGES, Protection::ReadWrite).context("mmap")?;
        (0..PAGES).for_each(|page| pages.write(page, 1, page as u64));
        let setup = setup(policy, 2, 0)?;
        sys::confine(pages.address(), PAGES * PAGE, &setup.how, &[]).context(policy)?;
        for round in 0..2 {
            for page in 0..PAGES {
                let found = pages.read(page, 1);
                ensure!(
                    found == page as u64 + round,
                    "{policy}: page {page} holds {found} in round {round}"
                );
                pages.write(page, 1, found + 1);
            }
        }
        let counts = sys::confined_counts(pages.address()).context("counts")?;
        let gone = counts.evictions_written + counts.evictions_clean;
        ensure!(counts.resident == 2, "{policy}: {counts:?}");
        ensure!(
            gone == counts.faults + PAGES as u64 - 2,
            "{policy}: {counts:?}"
        );
        ensure!(counts.swap_ins == counts.faults, "{policy}: {counts:?}");
    }
    Ok(())
}

fn sees_every_use() -> Verdict {
    let area = Confined::new(PAGES, &setup("lru", 4, 7)?, &[])?;
    for page in [0, 0, 1, 5, 1, 1, 0, 2, 3, 0, 1] {
        area.pages.write(page, page, 1);
        area.pages.read(page, page + 1);
    }
    let uses = area.uses()?;
    ensure!(uses == [0, 1, 5, 1, 0, 2, 3], "{uses:?} were recorded");
    let counts = area.counts()?;
    ensure!(
        (counts.uses, counts.recorded, counts.faults) == (9, 7, 5),
        "{counts:?}"
    );
    confined::judge(&counts, 4)
}

/// In one frame nothing could be copied from page to page; in two it can.
fn opens_what_one_instruction_needs() -> Verdict {
    let area = Confined::new(PAGES, &setup("lru", 2, 64)?, &[])?;
    for word in [0, 100, 511] {
        area.pages.write(0, word, word as u64 + 7);
    }
    area.pages.copy(0, 3);
    area.pages.copy(3, 5);
    for word in [0, 100, 511] {
        let found = area.pages.read(5, word);
        ensure!(found == word as u64 + 7, "word {word} came as {found}");
    }
    confined::judge(&area.counts()?, 2)
}

/// What the kernel does to its pages for the program is a use, too.
fn is_open_to_the_kernel() -> Verdict {
    let area = Confined::new(PAGES, &setup("fifo", 1, 64)?, &[])?;
    let start = area.pages.address() as u64;
    for page in [3, 1, 3] {
        sys::stats_wild(start + page * PAGE as u64).context("stats")?;
    }
    let uses = area.uses()?;
    ensure!(uses == [3, 1, 3], "the kernel's uses: {uses:?}");
    ensure!(area.pages.read(3, 0) > 0, "the kernel has written nothing");
    Ok(())
}

/// A child has the pages, but not the budget; what is shut is opened there.
fn is_the_parents_alone() -> Verdict {
    let area = Confined::new(PAGES, &setup("lru", 3, 64)?, &[])?;
    (0..PAGES).for_each(|page| area.pages.write(page, 0, page as u64));
    let before = area.counts()?;
    let child = Child::fork(|| {
        let right = (0..PAGES).all(|page| area.pages.read(page, 0) == page as u64);
        (0..PAGES).for_each(|page| area.pages.write(page, 0, 77));
        let counts = sys::confined_counts(area.pages.address());
        i32::from(!(right && counts == Err(Errno::Inval)))
    })
    .context("fork")?;
    let status = child.wait(FOREVER).context("wait")?;
    ensure!(exit_code(status) == Some(0), "the child saw {status:?}");
    ensure!(
        area.counts()? == before,
        "the child's uses are the parent's"
    );
    for page in 0..PAGES {
        let found = area.pages.read(page, 0);
        ensure!(found == page as u64, "page {page} holds {found}");
    }
    Ok(())
}

/// In a pool of 4 frames two areas have 2 each, and one that is left alone has all; afterwards none.
fn keeps_to_its_share() -> Verdict {
    let name = |name| name_bytes(name).ok_or(Failure("a long name".into()));
    let equal = PoolSetup {
        allocation: name("equal")?,
        frames: 4,
        ..PoolSetup::default()
    };
    let bad = [
        PoolSetup { frames: 0, ..equal },
        PoolSetup {
            allocation: name("fair")?,
            ..equal
        },
        PoolSetup {
            low: 3,
            high: 2,
            ..equal
        },
        PoolSetup { high: 5, ..equal },
    ];
    for bad in bad {
        let answer = sys::pool_open(&bad);
        ensure!(answer == Err(Errno::Inval), "{bad:?}: {answer:?}");
    }
    for number in [7, 8, u64::MAX] {
        let answers = [
            sys::pool_close(number),
            sys::pool_counts(number).map(drop),
            sys::pool_serve(number),
        ];
        ensure!(answers == [Err(Errno::Inval); 3], "{number}: {answers:?}");
    }
    let pool = sys::pool_open(&equal).context("a pool")?;
    let mut setup = setup("fifo", 1, 0)?;
    setup.how.pool = pool + 1;
    let [first, second] = [
        Confined::new(PAGES, &setup, &[])?,
        Confined::new(PAGES, &setup, &[])?,
    ];
    let use_all = |area: &Confined| {
        (0..PAGES).for_each(|page| area.pages.write(page, 0, 1));
        area.counts().map(|counts| counts.resident)
    };
    let resident = [use_all(&first)?, use_all(&second)?];
    ensure!(resident == [2, 2], "{resident:?} of 4 frames for two");
    drop(first);
    ensure!(use_all(&second)? == 4, "one has not all frames");
    sys::pool_close(pool).context("closing the pool")?;
    ensure!(
        use_all(&second)? == PAGES as u64,
        "without a pool there is no limit"
    );
    let late = Confined::new(PAGES, &setup, &[]);
    ensure!(late.is_err(), "a member of a pool that is closed");
    Ok(())
}

fn refuses_wrong_victims(check: &mut Check) -> Verdict {
    let area = Confined::new(PAGES, &setup("liar", 3, 0)?, &[])?;
    (0..PAGES).for_each(|page| area.pages.write(page, 0, page as u64));
    let counts = area.counts()?;
    ensure!(counts.refused == 2, "{counts:?}");
    confined::report(check, &counts);
    confined::judge(&counts, 3)
}
