//! Check: a program that does what it must not is ended for the right reason, others are not
//! harmed, and a bad pointer given to the kernel is an error and no more.
#![no_std]
#![no_main]

use user::abi::syscall::{EndCause, Errno, ExitStatus};
use user::check::{Check, Context as _, Verdict};
use user::file::STDOUT;
use user::process::{Child, cause};
use user::sys::{self, FOREVER};
use user::time::now_ns;
use user::{ensure, wild};

user::check!(run);

/// In the kernel's half.
const KERNEL: usize = 0xffff_ffff_8020_0000;
const DIRECT_MAP: usize = 0xffff_8000_0010_0000;
/// Between the halves: not an address at all.
const NON_CANONICAL: usize = 0x0000_9000_0000_0000;

/// Vectors of processor exceptions (Intel SDM 3A 7.15).
const DIVIDE_ERROR: u64 = 0;
const INVALID_OPCODE: u64 = 6;
const GENERAL_PROTECTION: u64 = 13;

/// What the kernel should say about the end.
enum Expected {
    /// A page fault at this address.
    FaultAt(usize),
    /// A page fault anywhere.
    Fault,
    /// An exception with this vector.
    Vector(u64),
}

impl Expected {
    fn matches(&self, status: ExitStatus) -> bool {
        match self {
            Self::FaultAt(address) => {
                cause(status) == Some(EndCause::PageFault) && status.detail == *address as u64
            }
            Self::Fault => cause(status) == Some(EndCause::PageFault),
            Self::Vector(vector) => {
                cause(status) == Some(EndCause::Exception) && status.detail == *vector
            }
        }
    }
}

type Crime = (&'static str, fn(), Expected);

const CRIMES: &[Crime] = &[
    ("reading null", || _ = wild::read(0), Expected::FaultAt(0)),
    ("writing null", || wild::write(8, 1), Expected::FaultAt(8)),
    (
        "reading the kernel",
        || _ = wild::read(KERNEL),
        Expected::FaultAt(KERNEL),
    ),
    (
        "writing the direct map",
        || wild::write(DIRECT_MAP, 1),
        Expected::FaultAt(DIRECT_MAP),
    ),
    (
        "calling the kernel",
        || wild::call(KERNEL),
        Expected::FaultAt(KERNEL),
    ),
    (
        "reading between the halves",
        || _ = wild::read(NON_CANONICAL),
        Expected::Vector(GENERAL_PROTECTION),
    ),
    (
        "turning interrupts off",
        wild::disable_interrupts,
        Expected::Vector(GENERAL_PROTECTION),
    ),
    (
        "writing an IO port",
        wild::write_port,
        Expected::Vector(GENERAL_PROTECTION),
    ),
    (
        "dividing by zero",
        wild::divide_by_zero,
        Expected::Vector(DIVIDE_ERROR),
    ),
    (
        "an undefined instruction",
        wild::undefined_instruction,
        Expected::Vector(INVALID_OPCODE),
    ),
    (
        "overflowing the stack",
        wild::overflow_stack,
        Expected::Fault,
    ),
];

fn run(check: &mut Check) -> Verdict {
    let start = now_ns();
    for (name, crime, expected) in CRIMES {
        let child = Child::fork(|| {
            crime();
            0
        })
        .context("fork")?;
        let status = child.wait(FOREVER).context("wait")?;
        ensure!(
            expected.matches(status),
            "after {name} the child ended with {status:?}"
        );
    }
    check.metric("programs_killed", CRIMES.len() as u64);
    check.metric(
        "fork_kill_wait_ns",
        (now_ns() - start) / CRIMES.len() as u64,
    );
    let refused = bad_pointers()?;
    check.metric("pointers_refused", refused);
    Ok(())
}

/// The kernel must not read for a program what that cannot read itself.
fn bad_pointers() -> Result<u64, user::check::Failure> {
    let ranges = [
        (0, 16),
        (KERNEL as u64, 16),
        (DIRECT_MAP as u64, 16),
        (NON_CANONICAL as u64, 16),
        // Ends in the kernel's half, or wraps around.
        (0x7fff_ffff_f000, 0x2000),
        (u64::MAX - 8, 64),
        (0x1000, u64::MAX),
    ];
    for (address, len) in ranges {
        let result = sys::write_wild(STDOUT.fd(), address, len);
        ensure!(
            result == Err(Errno::Fault),
            "writing {len:#x} bytes at {address:#x} gave {result:?}"
        );
    }
    Ok(ranges.len() as u64)
}
