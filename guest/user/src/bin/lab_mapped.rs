//! Laboratory: a part of the disk as memory.
//!
//! Arguments: `writes=private` or `back`; `pages`; `changed`, how many of them are written to;
//! `frames`, of which there may be fewer than pages.
#![no_std]
#![no_main]

use user::abi::confine::{Confine, name_bytes};
use user::abi::syscall::{Advice, DiskWrites, Errno};
use user::alloc::format;
use user::alloc::vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::file::File;
use user::mapping::{Mapping, PAGE};
use user::time::now_ns;
use user::{ensure, sys};

user::check!(run);

const DISK: &str = "/dev/vda";
/// Where on it, in bytes: in the part that programs write to.
const OFFSET: u64 = 1 << 20;
/// What stands in the second word of a page's number at first.
const MARK: u64 = 0x6d61_7070_6564_0000;

/// The first words of the pages as they are on the disk.
fn on_disk(disk: &File, pages: usize) -> Result<user::alloc::vec::Vec<u64>, Failure> {
    let mut words = vec![];
    let mut bytes = vec![0; PAGE];
    disk.seek(OFFSET).context("seek")?;
    for _ in 0..pages {
        disk.read_exact(&mut bytes).context("read")?;
        let (word, _) = bytes.split_at(8);
        words.push(u64::from_le_bytes(
            word.try_into().map_err(|_| "a short page")?,
        ));
    }
    Ok(words)
}

fn fill(disk: &File, pages: usize) -> Verdict {
    let mut bytes = vec![0; PAGE];
    disk.seek(OFFSET).context("seek")?;
    for page in 0..pages as u64 {
        bytes[..8].copy_from_slice(&(MARK + page).to_le_bytes());
        disk.write_all(&bytes).context("write")?;
    }
    Ok(())
}

fn takes_no_nonsense(disk: &File) -> Verdict {
    let size = sys::size(disk.fd()).context("size")?;
    let bad = [
        ("a part of a sector", 100, 1, Errno::Inval),
        ("what is behind the disk", size, 1, Errno::NoSpc),
        (
            "more than there is",
            0,
            size as usize / PAGE + 1,
            Errno::NoSpc,
        ),
        ("an endless part", u64::MAX - 511, 1, Errno::Inval),
    ];
    for (what, offset, pages, expected) in bad {
        let mapped = Mapping::of_disk(disk, offset, pages, DiskWrites::Back);
        ensure!(
            mapped.as_ref().err() == Some(&expected),
            "{what}: {mapped:?}"
        );
    }
    Ok(())
}

fn run(check: &mut Check) -> Verdict {
    let writes = match check.text("writes")? {
        "private" => DiskWrites::Private,
        "back" => DiskWrites::Back,
        other => return Err(Failure(format!("writes={other}: private or back"))),
    };
    let pages = check.value("pages")? as usize;
    let changed = check.value("changed")? as usize;
    ensure!(
        (1..=64).contains(&pages) && changed <= pages,
        "changed={changed} of pages={pages}: at most all of at most 64"
    );
    let disk = File::open(DISK).context(DISK)?;
    takes_no_nonsense(&disk)?;
    fill(&disk, pages)?;

    let memory = Mapping::of_disk(&disk, OFFSET, pages, writes).context("mapping")?;
    let how = Confine {
        policy: name_bytes("fifo").ok_or("a long name")?,
        frames: check.value("frames")?,
        ..Confine::default()
    };
    sys::confine(memory.address(), pages * PAGE, &how, &[]).context("frames")?;
    let start = now_ns();
    for page in 0..pages {
        let found = memory.read(page, 0);
        ensure!(
            found == MARK + page as u64,
            "page {page} was read as {found:#x}"
        );
        if page < changed {
            memory.write(page, 0, page as u64);
        }
    }
    for page in 0..pages {
        let found = memory.read(page, 0);
        let expected = if page < changed { 0 } else { MARK } + page as u64;
        ensure!(
            found == expected,
            "page {page} holds {found:#x}, not {expected:#x}"
        );
    }
    let elapsed_ns = now_ns() - start;
    let counts = sys::confined_counts(memory.address()).context("counts")?;
    let synced = memory.advise(0, pages, Advice::Sync, 0).context("sync")?;
    let again = memory.advise(0, pages, Advice::Sync, 0).context("sync")?;
    ensure!(again == 0, "{again} pages were written back twice");
    drop(memory);
    let kept = on_disk(&disk, pages)?;
    let on_disk = (0..)
        .zip(&kept)
        .filter(|(page, word)| **word == *page)
        .count();
    let expected = match writes {
        DiskWrites::Private => 0,
        DiskWrites::Back => changed,
    };
    ensure!(
        on_disk == expected,
        "{on_disk} pages of {changed} are on the disk"
    );
    let figures = [
        ("faults", counts.faults),
        ("evictions_written", counts.evictions_written),
        ("evictions_clean", counts.evictions_clean),
        ("swap_ins", counts.swap_ins),
        ("synced", synced),
        ("changed_on_disk", on_disk as u64),
        ("elapsed_ns", elapsed_ns),
    ];
    for (name, value) in figures {
        check.metric(name, value);
    }
    Ok(())
}
