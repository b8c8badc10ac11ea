//! Work of `hostel compare`: readings of a source of time, for so long.
//!
//! Arguments: number of the measurement, the kernel's device of the source, or what a program reads
//! itself: `tsc`, or `kvm` from the page of clocks; milliseconds. Readings must not stand still, nor run backwards where the
//! source does not wrap.
#![no_std]
#![no_main]

use user::abi::metric::ABSENT;
use user::alloc::{format, vec};
use user::check::{Check, Context as _, Verdict};
use user::ensure;
use user::file::File;
use user::time::{kvm_ns, tsc};
use user::work::{self, Done};

user::check!(run);

/// Readings between two looks at the time.
const BATCH: usize = 64;
/// A source of seconds may stand still as long as a run lasts.
const SLOW: &str = "clock-rtc";
/// Sources that wrap, or count down.
const WRAPPING: [&str; 3] = [SLOW, "clock-acpi", "clock-pit"];

enum Source {
    Device(File),
    Own(fn() -> u64),
}

/// KVM's time by the page; only for where it is stated.
fn stated() -> u64 {
    kvm_ns().unwrap_or(0)
}

impl Source {
    fn read(&self, values: &mut [u64], bytes: &mut [u8]) -> Verdict {
        match self {
            Self::Own(read) => values.iter_mut().for_each(|value| *value = read()),
            Self::Device(device) => {
                device.read_exact(bytes).context("read")?;
                values.copy_from_slice(&work::numbers::<BATCH>(bytes));
            }
        }
        Ok(())
    }
}

fn run(check: &mut Check) -> Verdict {
    let (Some(name), Some(ms)) = (check.arg(1), check.number(2)) else {
        return Err("arguments that are no work".into());
    };
    let source = match name {
        "tsc" => Source::Own(tsc),
        "kvm" if kvm_ns().is_none() => {
            check.metric(ABSENT, 1);
            return Ok(());
        }
        "kvm" => Source::Own(stated),
        name => {
            let path = format!("/dev/{name}");
            Source::Device(File::open(&path).context(&path)?)
        }
    };
    let (mut values, mut bytes) = (vec![0_u64; BATCH], vec![0; BATCH * 8]);
    source.read(&mut values, &mut bytes)?;
    let (first, mut last) = (values[0], values[BATCH - 1]);
    let mut has_moved = first != last;
    let mut is_ordered = true;

    work::run_for(check, ms, Done::none(None)?, |done| {
        done.time(BATCH as u64, || source.read(&mut values, &mut bytes))?;
        has_moved |= values[0] != last;
        is_ordered &= values.is_sorted() && values[0] >= last;
        last = values[BATCH - 1];
        Ok(())
    })?;
    ensure!(has_moved || name == SLOW, "{name} stands still at {first}");
    ensure!(
        is_ordered || WRAPPING.contains(&name),
        "{name} has run backwards"
    );
    Ok(())
}
