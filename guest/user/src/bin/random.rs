//! Check: random bytes come, differ from read to read, and look random.
#![no_std]
#![no_main]

use user::check::{Check, Context as _, Verdict};
use user::ensure;
use user::file::File;
use user::time::now_ns;

user::check!(run);

const BYTES: usize = 256;
/// Of 2048 random bits half are set, give or take 23 (one sigma); this is beyond nine.
const SET_BITS: core::ops::RangeInclusive<u32> = 820..=1228;

fn run(check: &mut Check) -> Verdict {
    let rng = File::open("/dev/rng").context("opening /dev/rng")?;
    let (mut first, mut second) = ([0; BYTES], [0; BYTES]);
    let start = now_ns();
    rng.read_exact(&mut first).context("read")?;
    rng.read_exact(&mut second).context("read")?;
    check.metric("bytes", 2 * BYTES as u64);
    check.metric("read_ns", (now_ns() - start) / 2);
    ensure!(first != second, "two reads gave the same bytes");
    let equal = first.iter().zip(&second).filter(|(a, b)| a == b).count();
    ensure!(
        equal < BYTES / 8,
        "two reads have {equal} of {BYTES} bytes in common"
    );
    for bytes in [&first, &second] {
        let set: u32 = bytes.iter().map(|byte| byte.count_ones()).sum();
        ensure!(
            SET_BITS.contains(&set),
            "{set} of {} bits are set",
            BYTES * 8
        );
    }
    Ok(())
}
