//! Check: the hypercall page tells the time that the PC's clock tells, gives random bytes, and
//! takes output, whose checksum the host compares.
#![no_std]
#![no_main]

use user::abi::metric::STREAMED_BYTES;
use user::abi::record::{Record, crc32};
use user::alloc::vec;
use user::check::{Check, Context as _, Failure, Verdict, write_record_to};
use user::ensure;
use user::file::File;
use user::pattern::fill;
use user::time::now_ns;

user::check!(run);

const DAY_S: u64 = 24 * 60 * 60;
const BATCH: usize = 32;
/// Several pages, and a part of one.
const RANDOM_BYTES: usize = 3 * 4096 + 100;
const OUTPUT_BYTES: usize = 64 * 1024 + 100;

fn open(name: &str) -> Result<File, Failure> {
    File::open(name).context(name)
}

fn values<const N: usize>(device: &File) -> Result<[u64; N], Failure> {
    let mut bytes = vec![0; N * 8];
    device.read_exact(&mut bytes).context("read")?;
    let mut values = [0; N];
    for (value, bytes) in values.iter_mut().zip(bytes.chunks_exact(8)) {
        *value = u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    }
    Ok(values)
}

fn run(check: &mut Check) -> Verdict {
    let [one] = values(&open("/dev/hypercall-time-1")?)?;
    let batch = open("/dev/hypercall-time-32")?;
    let start = now_ns();
    let times = values::<BATCH>(&batch)?;
    check.metric("batch_ns", now_ns() - start);
    ensure!(one <= times[0] && times.is_sorted(), "time runs backwards");
    let [clock] = values(&open("/dev/clock-rtc")?)?;
    let seconds = times[BATCH - 1] / 1_000_000_000 % DAY_S;
    let behind = (clock + DAY_S - seconds) % DAY_S;
    ensure!(
        behind <= 2,
        "the clock says {clock} s of the day, the page {seconds} s"
    );

    let mut random = vec![0_u8; RANDOM_BYTES];
    let rng = open("/dev/hypercall-rng")?;
    rng.read_exact(&mut random).context("random bytes")?;
    let is_filled = random.chunks(32).all(|part| part.iter().any(|b| *b != 0));
    ensure!(is_filled, "some bytes were not filled");

    let out = open("/dev/hypercall-out")?;
    let (id, bytes) = (check.id(), OUTPUT_BYTES as u64);
    let mut output = vec![0; OUTPUT_BYTES];
    fill(&mut output, 0);
    write_record_to(&out, &Record::StreamBegin { id, bytes }).context("begin")?;
    out.write_all(&output).context("output")?;
    let crc32 = crc32(0, &output);
    write_record_to(&out, &Record::StreamEnd { id, crc32 }).context("end")?;
    check.metric(STREAMED_BYTES, bytes);
    Ok(())
}
