//! Work of `hostel compare`: readings of a source of time, for so long.
//!
//! Arguments: number of the measurement, the kernel's device of the source or `tsc`, which a
//! program reads itself, milliseconds. Readings must not stand still, nor run backwards where the
//! source does not wrap.
#![no_std]
#![no_main]

use user::abi::syscall::Phase;
use user::alloc::{format, vec};
use user::check::{Check, Context as _, Verdict};
use user::file::File;
use user::time::{MS, now_ns, tsc};
use user::{ensure, sys};

user::check!(run);

/// Readings between two looks at the time.
const BATCH: usize = 64;
/// A source of seconds may stand still as long as a run lasts.
const SLOW: &str = "clock-rtc";
/// Sources that wrap, or count down.
const WRAPPING: [&str; 3] = [SLOW, "clock-acpi", "clock-pit"];

enum Source {
    Device(File),
    Tsc,
}

impl Source {
    fn read(&self, values: &mut [u64], bytes: &mut [u8]) -> Verdict {
        match self {
            Self::Tsc => values.iter_mut().for_each(|value| *value = tsc()),
            Self::Device(device) => {
                device.read_exact(bytes).context("read")?;
                for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(8)) {
                    let bytes = bytes.try_into().unwrap_or_default();
                    *value = u64::from_le_bytes(bytes);
                }
            }
        }
        Ok(())
    }
}

fn run(check: &mut Check) -> Verdict {
    let number = |index| check.arg(index)?.parse::<u64>().ok();
    let (Some(measurement), Some(name), Some(ms)) = (number(0), check.arg(1), number(2)) else {
        return Err("arguments that are no work".into());
    };
    let source = match name {
        "tsc" => Source::Tsc,
        name => {
            let path = format!("/dev/{name}");
            Source::Device(File::open(&path).context(&path)?)
        }
    };
    let (mut values, mut bytes) = (vec![0_u64; BATCH], vec![0; BATCH * 8]);
    source.read(&mut values, &mut bytes)?;
    let (first, mut last) = (values[0], values[BATCH - 1]);
    let mut operations = 0;
    let mut has_moved = first != last;
    let mut is_ordered = true;

    sys::measure(Phase::Begin, measurement).context("measure")?;
    let start = now_ns();
    let end = start + ms * MS;
    while now_ns() < end {
        source.read(&mut values, &mut bytes)?;
        operations += BATCH as u64;
        has_moved |= values[0] != last;
        is_ordered &= values.is_sorted() && values[0] >= last;
        last = values[BATCH - 1];
    }
    let elapsed_ns = now_ns() - start;
    sys::measure(Phase::End, measurement).context("measure")?;

    check.metric("operations", operations);
    check.metric("elapsed_ns", elapsed_ns);
    ensure!(has_moved || name == SLOW, "{name} stands still at {first}");
    ensure!(
        is_ordered || WRAPPING.contains(&name),
        "{name} has run backwards"
    );
    Ok(())
}
