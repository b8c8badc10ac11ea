//! Programs that mean harm: stacks that are none, frames that no handler was called with.

use abi::signal::USER_1;
use abi::syscall::{EndCause, Errno};

use super::{end_by, note};
use crate::check::{Check, Context as _, Verdict};
use crate::process::{Child, cause, exit_code};
use crate::signal::{self, Wild};
use crate::sys::FOREVER;

/// A code to exit with.
const CODE: u64 = 77;

/// What is refused is refused, and the rest harms the process alone.
pub fn hostile(check: &mut Check) -> Verdict {
    let refusals = [
        (Wild::Nowhere, Errno::Fault),
        (Wild::InKernel, Errno::Fault),
        (Wild::ToKernel, Errno::Inval),
    ];
    for (wild, expected) in refusals {
        let got = signal::return_by(wild);
        ensure!(got == expected, "{wild:?} gave {got:?}, not {expected:?}");
    }
    let handler = signal::handle_in_kernel(USER_1);
    ensure!(
        handler == Err(Errno::Fault),
        "a handler in the kernel gave {handler:?}"
    );
    let child = Child::fork(|| {
        let _ = signal::return_by(Wild::ToExit(CODE));
        0
    });
    let status = child.context("fork")?.wait(FOREVER).context("wait")?;
    let code = exit_code(status).map(i64::from);
    ensure!(
        code == Some(CODE as i64),
        "flags and mask of ones: {status:?}"
    );
    let child = Child::fork(|| {
        let _ = signal::handle(USER_1, 0, note);
        signal::wait_without_stack()
    });
    let status = end_by(&child.context("fork")?, USER_1).context("wait")?;
    let is_well = matches!(cause(status), Some(EndCause::PageFault | EndCause::Signal));
    ensure!(is_well, "a handler without a stack: {status:?}");
    check.metric("refused", refusals.len() as u64 + 1);
    Ok(())
}
