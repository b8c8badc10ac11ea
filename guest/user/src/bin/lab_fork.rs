//! Laboratory: what a child costs that has copies of its parent's pages, made at once or on write.
//!
//! Arguments: `kind=on-write` or `copy`; `pages` that the parent has written to; `writes`, how many
//! of them the child writes to.
#![no_std]
#![no_main]

use user::abi::syscall::Protection;
use user::alloc::format;
use user::check::{Check, Context as _, Failure, Verdict};
use user::file::File;
use user::mapping::Mapping;
use user::process::exit_code;
use user::sys::FOREVER;
use user::time::now_ns;
use user::{ensure, sys};

user::check!(run);

/// What the child does and tells: its faults, copies, and the time of its writes.
fn child(memory: &Mapping, writes: usize, report: &File) -> Result<(), Failure> {
    let before = sys::stats().context("stats")?;
    let start = now_ns();
    for page in 0..writes {
        memory.write(page, 3, 1_000_000);
    }
    let write_ns = now_ns() - start;
    let after = sys::stats().context("stats")?;
    let told = [
        after.page_faults - before.page_faults,
        after.cow_copies - before.cow_copies,
        write_ns,
    ];
    for number in told {
        report
            .write_all(&number.to_le_bytes())
            .context("a report")?;
    }
    Ok(())
}

fn run(check: &mut Check) -> Verdict {
    let fork = match check.text("kind")? {
        "on-write" => sys::fork,
        "copy" => sys::fork_copy,
        other => return Err(Failure(format!("kind={other}: on-write or copy"))),
    };
    let pages = check.value("pages")? as usize;
    let writes = check.value("writes")? as usize;
    ensure!(
        (1..=512).contains(&pages) && writes <= pages,
        "writes={writes} of pages={pages}: at most all of at most 512"
    );
    let memory = Mapping::new(pages, Protection::ReadWrite).context("mmap")?;
    (0..pages).for_each(|page| memory.write(page, 3, page as u64));
    let (hear, tell) = File::pipe().context("pipe")?;

    let start = now_ns();
    let Some(pid) = fork().context("fork")? else {
        let done = child(&memory, writes, &tell);
        sys::exit(i32::from(done.is_err()));
    };
    let fork_ns = now_ns() - start;
    let mut told = [0; 3];
    for number in &mut told {
        let mut bytes = [0; 8];
        hear.read_exact(&mut bytes).context("the child's report")?;
        *number = u64::from_le_bytes(bytes);
    }
    let (_, status) = sys::wait(Some(pid), FOREVER).context("wait")?;
    ensure!(exit_code(status) == Some(0), "the child: {status:?}");
    for page in 0..pages {
        let found = memory.read(page, 3);
        ensure!(found == page as u64, "page {page} holds {found}");
    }
    let [faults, copies, write_ns] = told;
    let figures = [
        ("pages", pages as u64),
        ("writes", writes as u64),
        ("faults", faults),
        ("copies", copies),
        ("fork_ns", fork_ns),
        ("write_ns", write_ns),
        ("both_ns", fork_ns + write_ns),
    ];
    for (name, value) in figures {
        check.metric(name, value);
    }
    Ok(())
}
