//! Check: after a fork pages are shared until written, each write is seen by its writer alone,
//! and faults and copies are as many as that takes.
#![no_std]
#![no_main]

use user::abi::syscall::{Errno, Protection};
use user::check::{Check, Context as _, Verdict};
use user::ensure;
use user::file::File;
use user::mapping::Mapping;
use user::process::{Child, exit_code};
use user::sys::{self, FOREVER};
use user::time::now_ns;

user::check!(run);

const PAGES: usize = 30;
/// The child writes every third page.
const STRIDE: usize = 3;
const WRITTEN: u64 = (PAGES / STRIDE) as u64;
/// The stack, the heap and the program's data are copied, too.
const OWN_PAGES: u64 = 12;

/// What the child tells its parent, as words through a pipe.
struct Told {
    faults: u64,
    copies: u64,
    write_ns: u64,
    frames_taken: u64,
}

fn parents(page: usize) -> u64 {
    0x5061_7265_6e74_0000 + page as u64
}

fn childs(page: usize) -> u64 {
    0x4368_696c_6400_0000 + page as u64
}

fn write_some(pages: &Mapping) -> Result<Told, Errno> {
    let before = sys::stats()?;
    let start = now_ns();
    for page in (0..PAGES).step_by(STRIDE) {
        pages.write(page, 7, childs(page));
    }
    let elapsed_ns = now_ns() - start;
    let after = sys::stats()?;
    Ok(Told {
        faults: after.page_faults - before.page_faults,
        copies: after.cow_copies - before.cow_copies,
        write_ns: elapsed_ns / WRITTEN,
        frames_taken: before.free_frames.saturating_sub(after.free_frames),
    })
}

fn is_isolated(pages: &Mapping) -> bool {
    (0..PAGES).all(|page| {
        let expected = if page % STRIDE == 0 {
            childs(page)
        } else {
            parents(page)
        };
        pages.read(page, 7) == expected
    })
}

/// The child's part; its exit code is 0 when it has seen what it should.
fn child(pages: &Mapping, report: &File) -> Result<bool, Errno> {
    let told = write_some(pages)?;
    let words = [told.faults, told.copies, told.write_ns, told.frames_taken];
    let mut bytes = [0; 32];
    for (word, to) in words.iter().zip(bytes.chunks_exact_mut(8)) {
        to.copy_from_slice(&word.to_le_bytes());
    }
    report.write_all(&bytes)?;
    Ok(is_isolated(pages))
}

fn hear(report: &File) -> Result<Told, Errno> {
    let mut words = [0u64; 4];
    for word in &mut words {
        let mut bytes = [0; 8];
        report.read_exact(&mut bytes)?;
        *word = u64::from_le_bytes(bytes);
    }
    let [faults, copies, write_ns, frames_taken] = words;
    Ok(Told {
        faults,
        copies,
        write_ns,
        frames_taken,
    })
}

fn run(check: &mut Check) -> Verdict {
    let pages = Mapping::new(PAGES, Protection::ReadWrite).context("mmap")?;
    for page in 0..PAGES {
        pages.write(page, 7, parents(page));
    }
    let (read_end, write_end) = File::pipe().context("pipe")?;
    let start = now_ns();
    let forked = Child::fork(|| match child(&pages, &write_end) {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(_) => 2,
    })
    .context("fork")?;
    check.metric("fork_ns", now_ns() - start);
    drop(write_end);
    let told = hear(&read_end);
    let status = forked.wait(FOREVER).context("wait")?;
    ensure!(
        exit_code(status) == Some(0),
        "the child saw wrong contents: {status:?}"
    );
    let told = told.context("what the child tells")?;
    let intact = (0..PAGES).all(|page| pages.read(page, 7) == parents(page));
    ensure!(intact, "the parent sees what the child wrote");
    reuse(check, &pages)?;

    check.metric("pages_shared", PAGES as u64);
    check.metric("faults", told.faults);
    check.metric("copies", told.copies);
    check.metric("copy_ns", told.write_ns);
    let at_most = WRITTEN + OWN_PAGES;
    ensure!(
        (WRITTEN..=at_most).contains(&told.copies),
        "{} pages copied for {WRITTEN} written",
        told.copies
    );
    ensure!(
        told.faults >= WRITTEN,
        "{} faults for {WRITTEN} pages written",
        told.faults
    );
    ensure!(
        told.frames_taken >= WRITTEN,
        "copies took {} frames only",
        told.frames_taken
    );
    Ok(())
}

/// With the child gone the parent is the last owner: writing must not copy.
fn reuse(check: &mut Check, pages: &Mapping) -> Verdict {
    let before = sys::stats().context("stats")?;
    for page in 0..PAGES {
        pages.write(page, 7, childs(page));
    }
    let after = sys::stats().context("stats")?;
    let copies = after.cow_copies - before.cow_copies;
    check.metric("reuses", after.cow_reuses - before.cow_reuses);
    ensure!(
        copies <= OWN_PAGES,
        "the last owner of {PAGES} pages copied {copies}"
    );
    Ok(())
}
