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
use user::time::{MS, kvm_ns, now_ns, tsc};
use user::work::{Done, Latencies, Work};

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
    let ms = check.arg(2).and_then(|text| text.parse::<u64>().ok());
    let (Some(name), Some(ms)) = (check.arg(1), ms) else {
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
    let mut operations = 0;
    let mut has_moved = first != last;
    let mut is_ordered = true;

    let mut latencies = Latencies::new()?;
    let work = Work::begin(check)?;
    let end = work.began_ns() + ms * MS;
    while now_ns() < end {
        let start = tsc();
        source.read(&mut values, &mut bytes)?;
        latencies.add(tsc() - start, BATCH as u64);
        operations += BATCH as u64;
        has_moved |= values[0] != last;
        is_ordered &= values.is_sorted() && values[0] >= last;
        last = values[BATCH - 1];
    }
    let done = Done {
        operations,
        operation_bytes: None,
        latencies,
    };
    work.end(check, &done)?;
    ensure!(has_moved || name == SLOW, "{name} stands still at {first}");
    ensure!(
        is_ordered || WRAPPING.contains(&name),
        "{name} has run backwards"
    );
    Ok(())
}
