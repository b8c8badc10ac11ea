//! Check: 1 MiB goes out over the console as it is. The host compares the checksum.
#![no_std]
#![no_main]

use user::abi::record::{Record, crc32};
use user::alloc::vec;
use user::check::{Check, Context as _, Verdict, write_record};
use user::file::STDOUT;
use user::pattern::fill;
use user::time::now_ns;

user::check!(run);

const BYTES: usize = 1024 * 1024;
const PIECE: usize = 64 * 1024;

fn run(check: &mut Check) -> Verdict {
    let mut piece = vec![0; PIECE];
    let id = check.id();
    write_record(&Record::StreamBegin {
        id,
        bytes: BYTES as u64,
    })
    .context("begin")?;
    let (mut checksum, mut write_ns) = (0, 0);
    for start in (0..BYTES).step_by(PIECE) {
        fill(&mut piece, start);
        checksum = crc32(checksum, &piece);
        let before = now_ns();
        STDOUT.write_all(&piece).context("write")?;
        write_ns += now_ns() - before;
    }
    write_record(&Record::StreamEnd {
        id,
        crc32: checksum,
    })
    .context("end")?;
    check.metric("bytes", BYTES as u64);
    check.metric("write_ns", write_ns);
    check.metric(
        "kib_per_s",
        BYTES as u64 * 1_000_000_000 / 1024 / write_ns.max(1),
    );
    Ok(())
}
