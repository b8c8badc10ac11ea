//! Work of `hostel compare`: reads of random bytes, for so long.
//!
//! Arguments: number of the measurement, device, bytes of a read, milliseconds. Two reads are
//! never the same, and no 16 bytes of one are all zero.
#![no_std]
#![no_main]

use user::alloc::{format, vec};
use user::check::{Check, Context as _, Verdict};
use user::ensure;
use user::file::File;
use user::work::{self, Done};

user::check!(run);

fn run(check: &mut Check) -> Verdict {
    let (Some(name), Some(bytes), Some(ms)) = (check.arg(1), check.number(2), check.number(3))
    else {
        return Err("arguments that are no work".into());
    };
    ensure!(bytes >= 16, "reads of {bytes} bytes");
    let path = format!("/dev/{name}");
    let device = File::open(&path).context(&path)?;
    let (mut buffer, mut last) = (vec![0_u8; bytes as usize], vec![0_u8; bytes as usize]);
    device.read_exact(&mut last).context("read")?;

    work::run_for(check, ms, Done::none(Some(bytes))?, |done| {
        done.time(1, || device.read_exact(&mut buffer))
            .context("read")?;
        ensure!(buffer != last, "the same bytes twice");
        core::mem::swap(&mut buffer, &mut last);
        Ok(())
    })?;
    let is_filled = last
        .chunks(16)
        .all(|part| part.iter().any(|byte| *byte != 0));
    ensure!(is_filled, "some bytes were not filled");
    Ok(())
}
