//! Work of `hostel compare`: output to a console, which the host checks.
//!
//! Arguments: number of the measurement, console, bytes of a write, milliseconds. An operation is
//! 4 KiB of output. How much goes out is found by a first write: as much as takes so long, up to
//! 4 MiB. It goes as a stream between records, as `io.console` has it.
#![no_std]
#![no_main]

use user::abi::metric::STREAMED_BYTES;
use user::abi::record::{Record, crc32};
use user::alloc::{format, vec};
use user::check::{Check, Context as _, Failure, Verdict, write_record_to};
use user::ensure;
use user::file::File;
use user::pattern::fill;
use user::time::{MS, now_ns};
use user::work::{Done, Work};

user::check!(run);

const OPERATION_BYTES: u64 = 4096;
const MOST_BYTES: u64 = 4 << 20;

struct Stream<'a> {
    console: &'a File,
    id: &'a str,
    piece: &'a [u8],
}

impl Stream<'_> {
    fn bytes(&self) -> u64 {
        self.piece.len() as u64
    }

    /// Announces `writes` pieces; what is to be said after them.
    fn begin(&self, writes: u64) -> Result<u32, Failure> {
        let bytes = writes * self.bytes();
        let begin = Record::StreamBegin { id: self.id, bytes };
        write_record_to(self.console, &begin).context("begin")?;
        Ok((0..writes).fold(0, |crc, _| crc32(crc, self.piece)))
    }

    fn end(&self, crc32: u32) -> Verdict {
        let end = Record::StreamEnd { id: self.id, crc32 };
        write_record_to(self.console, &end).context("end")
    }

    fn write(&self) -> Verdict {
        self.console.write_all(self.piece).context("write")
    }
}

fn run(check: &mut Check) -> Verdict {
    let (Some(name), Some(bytes), Some(ms)) = (check.arg(1), check.number(2), check.number(3))
    else {
        return Err("arguments that are no work".into());
    };
    ensure!(
        bytes > 0 && bytes.is_multiple_of(OPERATION_BYTES) && bytes <= MOST_BYTES,
        "writes of {bytes} bytes"
    );
    let path = format!("/dev/{name}");
    let console = File::open(&path).context(&path)?;
    let mut piece = vec![0; bytes as usize];
    fill(&mut piece, 0);
    let stream = Stream {
        console: &console,
        id: check.id(),
        piece: &piece,
    };
    let crc = stream.begin(1)?;
    let start = now_ns();
    stream.write()?;
    let took_ns = now_ns() - start;
    stream.end(crc)?;
    let writes = (ms * MS / took_ns.max(1)).clamp(1, MOST_BYTES / bytes);

    let operations = bytes / OPERATION_BYTES;
    let mut done = Done::none(Some(OPERATION_BYTES))?;
    let crc = stream.begin(writes)?;
    let work = Work::begin(check)?;
    for _ in 0..writes {
        done.time(operations, || stream.write())?;
    }
    work.end(check, &done)?;
    stream.end(crc)?;
    check.metric(STREAMED_BYTES, writes * bytes);
    Ok(())
}
