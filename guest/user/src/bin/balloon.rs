//! Check: free memory goes to the host by each way, comes back as zeroes and can be used; what makes
//! no sense is refused.
#![no_std]
#![no_main]

use user::abi::balloon::{BY_BATCH, BY_PAGE, BY_REPORT, WORD_BYTES};
use user::abi::syscall::Errno;
use user::alloc::format;
use user::check::{Check, Context as _, Verdict};
use user::file::File;
use user::{ensure, sys};

user::check!(run);

/// No multiple of a batch, nor a power of two.
const PAGES: u64 = 777;

fn give(file: &File, pages: u64) -> Result<(), Errno> {
    file.write_all(&pages.to_le_bytes())
}

/// Takes again; how many pages were zero.
fn take(file: &File) -> Result<u64, Errno> {
    let mut word = [0; WORD_BYTES];
    file.read_exact(&mut word)?;
    Ok(u64::from_le_bytes(word))
}

fn run(check: &mut Check) -> Verdict {
    let free = sys::stats().context("stats")?.free_frames;
    for way in [BY_REPORT, BY_BATCH, BY_PAGE] {
        let path = format!("/dev/{way}");
        let file = File::open(&path).context(&path)?;
        refused(&file)?;
        // All pages are written to when they are taken.
        give(&file, PAGES).context("giving")?;
        take(&file).context("taking")?;
        give(&file, PAGES).context("giving again")?;
        let zeroes = take(&file).context("taking again")?;
        ensure!(
            zeroes == PAGES,
            "{way}: {} of {PAGES} pages came back as they went",
            PAGES - zeroes
        );
        // One write takes what another gave.
        give(&file, 3).context("giving a few")?;
        give(&file, 5).context("giving others")?;
        give(&file, 0).context("giving none")?;
        refused(&file)?;
    }
    let left = sys::stats().context("stats")?.free_frames;
    check.metric("pages_given", 3 * (2 * PAGES + 8));
    // The driver's queues stay.
    ensure!(left + 32 >= free, "{left} frames free of {free}");
    Ok(())
}

fn refused(file: &File) -> Verdict {
    for pages in [u64::MAX, 1 << 32, 1 << 20] {
        let outcome = give(file, pages);
        ensure!(outcome == Err(Errno::NoSpc), "{pages} pages: {outcome:?}");
    }
    for bytes in [&[1_u8; 7][..], &[0; 16]] {
        let outcome = file.write(bytes);
        ensure!(outcome == Err(Errno::Inval), "{bytes:?}: {outcome:?}");
    }
    let outcome = take(file);
    ensure!(outcome == Err(Errno::Again), "taking nothing: {outcome:?}");
    let outcome = file.read(&mut [0; WORD_BYTES - 1]);
    ensure!(outcome == Err(Errno::Inval), "reading 7 bytes: {outcome:?}");
    Ok(())
}
