//! Check: a pipe carries bytes in order between processes, ends when its writers are gone, and
//! fails for a writer that nobody reads.
#![no_std]
#![no_main]

use user::abi::record::crc32;
use user::abi::syscall::Errno;
use user::alloc::vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::file::File;
use user::process::{Child, exit_code};
use user::sys::FOREVER;
use user::time::now_ns;

user::check!(run);

const BYTES: usize = 64 * 1024;
const PIECE: usize = 4096;

fn fill(piece: &mut [u8], start: usize) {
    for (i, byte) in (start..).zip(piece) {
        *byte = (i ^ i >> 8 ^ i >> 16).to_le_bytes()[0];
    }
}

fn send(to: &File) -> i32 {
    let mut piece = vec![0; PIECE];
    for start in (0..BYTES).step_by(PIECE) {
        fill(&mut piece, start);
        if to.write_all(&piece).is_err() {
            return 1;
        }
    }
    0
}

/// Reads to the end; number of bytes and their checksum.
fn receive(from: &File) -> Result<(usize, u32), Failure> {
    let mut piece = vec![0; PIECE];
    let (mut bytes, mut checksum) = (0, 0);
    loop {
        match from.read(&mut piece).context("read")? {
            0 => return Ok((bytes, checksum)),
            n => {
                checksum = crc32(checksum, &piece[..n]);
                bytes += n;
            }
        }
    }
}

fn expected() -> u32 {
    let mut piece = vec![0; PIECE];
    (0..BYTES).step_by(PIECE).fold(0, |checksum, start| {
        fill(&mut piece, start);
        crc32(checksum, &piece)
    })
}

fn run(check: &mut Check) -> Verdict {
    let (read_end, write_end) = File::pipe().context("pipe")?;
    let start = now_ns();
    let child = Child::fork(|| send(&write_end)).context("fork")?;
    // The child has its own; with this one open the end would never come.
    drop(write_end);
    let (bytes, checksum) = receive(&read_end)?;
    let elapsed_ns = now_ns() - start;
    let status = child.wait(FOREVER).context("wait")?;
    check.metric("bytes", bytes as u64);
    check.metric("elapsed_ns", elapsed_ns);
    check.metric(
        "kib_per_s",
        bytes as u64 * 1_000_000_000 / 1024 / elapsed_ns.max(1),
    );
    ensure!(
        exit_code(status) == Some(0),
        "the writer ended with {status:?}"
    );
    ensure!(bytes == BYTES, "{bytes} bytes came of {BYTES}");
    ensure!(checksum == expected(), "other bytes came than were sent");
    no_reader()
}

fn no_reader() -> Verdict {
    let (read_end, write_end) = File::pipe().context("pipe")?;
    drop(read_end);
    let broken = write_end.write(b"nobody hears this");
    ensure!(
        broken == Err(Errno::Pipe),
        "writing without a reader gave {broken:?}"
    );
    let (read_end, write_end) = File::pipe().context("pipe")?;
    let wrong = read_end.write(b"x");
    ensure!(
        wrong == Err(Errno::BadF),
        "writing to the read end gave {wrong:?}"
    );
    drop(write_end);
    let mut byte = [0; 1];
    let end = read_end.read(&mut byte);
    ensure!(
        end == Ok(0),
        "reading an empty pipe without writers gave {end:?}"
    );
    Ok(())
}
