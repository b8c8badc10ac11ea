//! Check: the 16550 port takes bytes by polling and by interrupt, whichever device the console
//! is on.
#![no_std]
#![no_main]

use user::abi::syscall::IoMode;
use user::check::{Check, Context as _, Verdict};
use user::ensure;
use user::file::File;
use user::time::now_ns;

user::check!(run);

/// Longer than the transmitter's FIFO.
const TEXT: &[u8] = b"serial: ABCDEFGHIJKLMNOPQRSTUVWXYZ 0123456789\n";

fn run(check: &mut Check) -> Verdict {
    let port = File::open("/dev/ttyS0").context("opening /dev/ttyS0")?;
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
    Ok(())
}
