//! Check: the 16550 port takes bytes by polling and by interrupt, whichever device the console
//! is on. The host compares the checksum.
#![no_std]
#![no_main]

use user::abi::record::{Record, crc32};
use user::abi::syscall::IoMode;
use user::check::{Check, Context as _, Verdict, write_record_to};
use user::ensure;
use user::file::File;
use user::time::now_ns;

user::check!(run);

/// Longer than the transmitter's FIFO.
const TEXT: &[u8] = b"serial: ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789\n";

fn run(check: &mut Check) -> Verdict {
    let port = File::open("/dev/ttyS0").context("opening /dev/ttyS0")?;
    let id = check.id();
    let bytes = 2 * TEXT.len() as u64;
    write_record_to(&port, &Record::StreamBegin { id, bytes }).context("begin")?;
    for (mode, name) in [
        (IoMode::Interrupt, "interrupt_byte_ns"),
        (IoMode::Poll, "poll_byte_ns"),
    ] {
        port.set_io_mode(mode).context("setting the IO mode")?;
        let start = now_ns();
        let taken = port.write(TEXT).context("write")?;
        check.metric(name, (now_ns() - start) / TEXT.len() as u64);
        ensure!(
            taken == TEXT.len(),
            "{mode:?}: the port took {taken} of {} bytes",
            TEXT.len()
        );
    }
    let crc32 = crc32(crc32(0, TEXT), TEXT);
    write_record_to(&port, &Record::StreamEnd { id, crc32 }).context("end")?;
    Ok(())
}
