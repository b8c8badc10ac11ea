//! Check: nothing of a program can be both written and executed.
#![no_std]
#![no_main]

use user::abi::syscall::{EndCause, Protection};
use user::alloc::boxed::Box;
use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::mapping::Mapping;
use user::process::{Child, cause, exit_code};
use user::sys::FOREVER;
use user::wild::{self, RET};

user::check!(run);

/// Executable code of this program: eight `ret` instructions.
const RETS: u64 = u64::from_le_bytes([RET; 8]);

static CONSTANT: [u8; 16] = [RET; 16];

fn ends_at(address: usize, body: impl FnOnce()) -> Result<bool, Failure> {
    let child = Child::fork(|| {
        body();
        0
    })
    .context("fork")?;
    let status = child.wait(FOREVER).context("wait")?;
    Ok(cause(status) == Some(EndCause::PageFault) && status.detail == address as u64)
}

fn run(check: &mut Check) -> Verdict {
    let text = (run as *const ()).addr();
    let constant = CONSTANT.as_ptr().addr();
    let on_stack = [RET; 16];
    let stack = (&raw const on_stack).addr();
    let on_heap = Box::new([RET; 16]);
    let heap = on_heap.as_ptr().addr();
    let mapped = Mapping::new(1, Protection::ReadWrite).context("mmap")?;
    mapped.write(0, 0, RETS);

    ensure!(
        ends_at(text, || wild::write(text, 0))?,
        "the program's text could be written"
    );
    ensure!(
        ends_at(constant, || wild::write(constant, 0))?,
        "a constant could be written"
    );
    for (name, address) in [
        ("a constant", constant),
        ("the stack", stack),
        ("the heap", heap),
        ("a mapping", mapped.address()),
    ] {
        ensure!(
            ends_at(address, || wild::call(address))?,
            "{name} could be executed"
        );
    }
    turned_executable(&mapped)?;
    check.metric("attempts_refused", 7);
    Ok(())
}

/// What becomes executable can no longer be written.
fn turned_executable(mapped: &Mapping) -> Verdict {
    let address = mapped.address();
    mapped
        .protect(0, 1, Protection::ReadExecute)
        .context("mprotect to execute")?;
    let child = Child::fork(|| {
        wild::call(address);
        0
    })
    .context("fork")?;
    let status = child.wait(FOREVER).context("wait")?;
    ensure!(
        exit_code(status) == Some(0),
        "executable code did not run: {status:?}"
    );
    ensure!(
        ends_at(address, || wild::write(address, 0))?,
        "executable code could be written"
    );
    Ok(())
}
