//! Work of `hostel compare`: memory that the host gets, and that is taken again and written to.
//!
//! Arguments: number of the measurement, a file of `abi::balloon` or `touch`, which gives nothing
//! away but only writes to memory that the host had before; pages at a time; milliseconds. An
//! operation is a page. Memory that the host has had is zero, which is looked at, and the host looks
//! whether it had it.
#![no_std]
#![no_main]

use user::abi::balloon::{BY_REPORT, WORD_BYTES};
use user::abi::metric::GIVEN_BYTES;
use user::alloc::format;
use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::file::File;
use user::time::{MS, now_ns, tsc};
use user::work::{self, Done, Work};

user::check!(run);

const PAGE_BYTES: u64 = 4096;
const TOUCH: &str = "touch";

struct Balloon {
    file: File,
    pages: u64,
}

impl Balloon {
    fn give(&self, pages: u64) -> Verdict {
        self.file.write_all(&pages.to_le_bytes()).context("giving")
    }

    /// Takes again; how many pages were zero.
    fn take(&self) -> Result<u64, Failure> {
        let mut word = [0; WORD_BYTES];
        self.file.read_exact(&mut word).context("taking")?;
        Ok(u64::from_le_bytes(word))
    }

    fn take_zeroes(&self) -> Verdict {
        let zeroes = self.take()?;
        ensure!(
            zeroes == self.pages,
            "{} of {} pages came back with what they held",
            self.pages - zeroes,
            self.pages
        );
        Ok(())
    }

    /// Once more, with the host looking at its memory before and after, and the end.
    fn prove(&self, check: &mut Check) -> Verdict {
        work::look(check)?;
        self.give(self.pages)?;
        work::look(check)?;
        self.take_zeroes()?;
        check.metric(GIVEN_BYTES, self.pages * PAGE_BYTES);
        self.give(0)
    }
}

fn run(check: &mut Check) -> Verdict {
    let (Some(way), Some(pages), Some(ms)) = (check.arg(1), check.number(2), check.number(3))
    else {
        return Err("arguments that are no work".into());
    };
    let only_touch = way == TOUCH;
    let path = format!("/dev/{}", if only_touch { BY_REPORT } else { way });
    let file = File::open(&path).context(&path)?;
    let balloon = Balloon { file, pages };
    // Brings the balloon up, and all of the memory is written to.
    balloon.give(pages)?;
    balloon.take()?;
    if only_touch {
        balloon.give(pages)?;
    }

    let mut done = Done::none(Some(PAGE_BYTES))?;
    let work = Work::begin(check)?;
    let end = work.began_ns() + ms * MS;
    while done.operations == 0 || !only_touch && now_ns() < end {
        let start = tsc();
        if !only_touch {
            balloon.give(pages)?;
        }
        balloon.take_zeroes()?;
        done.count(pages, tsc() - start);
    }
    work.end(check, &done)?;
    balloon.prove(check)
}
