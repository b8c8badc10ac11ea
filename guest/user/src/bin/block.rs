//! Check: what is written to a disk and flushed comes back, read in other pieces than it was
//! written in, and what is not whole sectors of the disk is refused. Arguments: the disk, KiB.
#![no_std]
#![no_main]

use user::abi::image::{SCRATCH_FIRST_SECTOR, SCRATCH_SECTORS};
use user::abi::record::crc32;
use user::abi::syscall::Errno;
use user::alloc::{format, vec};
use user::check::{Check, Context as _, Verdict};
use user::file::File;
use user::time::now_ns;
use user::{ensure, sys};

user::check!(run);

const SECTOR: usize = 512;
const KIB: usize = 256;
/// Pieces in which it is written, and read: the second does not divide the first.
const WRITE_PIECE: usize = 64 * 1024;
const READ_PIECE: usize = 24 * SECTOR;
/// In the second half of the scratch area; the first is for `io_mode`.
const OFFSET: u64 = (SCRATCH_FIRST_SECTOR + SCRATCH_SECTORS / 2) * SECTOR as u64;

/// Bytes that no other run of this check has written.
fn fill(bytes: &mut [u8], mut seed: u64) {
    for word in bytes.chunks_exact_mut(8) {
        // Knuth's MMIX generator; its high bits are good enough for a pattern.
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        word.copy_from_slice(&(seed ^ seed >> 32).to_le_bytes());
    }
}

fn run(check: &mut Check) -> Verdict {
    let path = format!("/dev/{}", check.arg(0).unwrap_or("vda"));
    let disk = File::open(&path).context(&path)?;
    let kib = check.arg(1).and_then(|text| text.parse().ok());
    let bytes = kib.unwrap_or(KIB) * 1024;
    let mut data = vec![0; bytes];
    fill(&mut data, now_ns());
    let expected = crc32(0, &data);
    let requests = sys::stats().context("stats")?.block_requests;

    let start = now_ns();
    disk.seek(OFFSET).context("seek")?;
    for piece in data.chunks(WRITE_PIECE) {
        disk.write_all(piece).context("write")?;
    }
    let written = now_ns();
    disk.flush().context("flush")?;
    let flushed = now_ns();
    data.fill(0);
    disk.seek(OFFSET).context("seek")?;
    for piece in data.chunks_mut(READ_PIECE) {
        disk.read_exact(piece).context("read")?;
    }
    let read_ns = now_ns() - flushed;

    let requests = sys::stats().context("stats")?.block_requests - requests;
    check.metric("bytes", bytes as u64);
    check.metric("write_ns", written - start);
    check.metric("flush_ns", flushed - written);
    check.metric("read_ns", read_ns);
    check.metric("requests", requests);
    let found = crc32(0, &data);
    ensure!(
        found == expected,
        "read back with checksum {found:#x}, written with {expected:#x}"
    );
    ensure!(requests > 0, "no request was counted");
    unaligned(&disk, &data)?;
    refusals(&disk)
}

/// A buffer that starts anywhere in a page.
fn unaligned(disk: &File, data: &[u8]) -> Verdict {
    const START: usize = 100;
    const LEN: usize = 33 * SECTOR;
    let mut buffer = vec![0; START + LEN];
    disk.seek(OFFSET + SECTOR as u64).context("seek")?;
    disk.read_exact(&mut buffer[START..])
        .context("reading to an unaligned buffer")?;
    ensure!(
        buffer[START..] == data[SECTOR..SECTOR + LEN],
        "an unaligned buffer has other bytes"
    );
    Ok(())
}

fn refusals(disk: &File) -> Verdict {
    let size = sys::size(disk.fd()).context("size")?;
    let mut sector = vec![0; SECTOR];
    disk.seek(size).context("seek to the end")?;
    let beyond = disk.write(&sector);
    ensure!(
        beyond.is_err() || beyond == Ok(0),
        "a write beyond the end gave {beyond:?}"
    );
    disk.seek(OFFSET).context("seek")?;
    let part = disk.read(&mut sector[..100]);
    ensure!(
        part == Err(Errno::Inval),
        "a read of 100 bytes gave {part:?}"
    );
    Ok(())
}
