//! Check: waiting for children tells how each ended, once, and within the time given.
#![no_std]
#![no_main]

use user::abi::syscall::{EndCause, Errno};
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Verdict};
use user::ensure;
use user::process::{self, Child};
use user::sys::{self, FOREVER};
use user::time::{MS, now_ns};

user::check!(run);

const CHILDREN: i32 = 8;
const PATIENCE_NS: u64 = 5 * MS;

fn run(check: &mut Check) -> Verdict {
    let start = now_ns();
    exit_codes()?;
    check.metric(
        "fork_exit_wait_ns",
        (now_ns() - start) / u64::from(CHILDREN.unsigned_abs()),
    );
    time_out_then_kill(check)?;
    let nobody = sys::wait(None, FOREVER);
    ensure!(
        nobody == Err(Errno::Child),
        "waiting without children gave {nobody:?}"
    );
    let stranger = sys::kill(sys::get_pid().context("pid")?);
    ensure!(
        stranger.is_err(),
        "a process that is no child could be killed"
    );
    Ok(())
}

/// Children exit with codes of their own; each is waited for once, in whatever order they end.
fn exit_codes() -> Verdict {
    let mut expected = Vec::new();
    for code in 0..CHILDREN {
        // Negative codes, too: they are the child's whole i32.
        let code = if code % 2 == 0 { code } else { -code };
        let child = Child::fork(|| code).context("fork")?;
        expected.push((child.pid(), code));
    }
    while !expected.is_empty() {
        let (pid, status) = sys::wait(None, FOREVER).context("wait for any")?;
        let at = expected.iter().position(|(child, _)| *child == pid);
        let Some(at) = at else {
            return Err(user::check::Failure(user::alloc::format!(
                "{pid:?} was no child or seen before"
            )));
        };
        let (_, code) = expected.swap_remove(at);
        let found = process::exit_code(status);
        ensure!(
            found == Some(code),
            "a child that exited with {code} gave {status:?}"
        );
    }
    Ok(())
}

fn time_out_then_kill(check: &mut Check) -> Verdict {
    let spinner = Child::exec("bin/spin", "").context("starting bin/spin")?;
    let start = now_ns();
    let waited = spinner.wait(PATIENCE_NS);
    let waited_ns = now_ns() - start;
    let status = spinner.kill().context("kill")?;
    check.metric("timeout_late_ns", waited_ns.saturating_sub(PATIENCE_NS));
    ensure!(
        waited == Err(Errno::TimedOut),
        "waiting for a spinner gave {waited:?}"
    );
    ensure!(
        waited_ns >= PATIENCE_NS,
        "the time-out came after {waited_ns} ns"
    );
    let cause = process::cause(status);
    ensure!(
        cause == Some(EndCause::Killed),
        "a killed child gave {status:?}"
    );
    let again = spinner.wait(0);
    ensure!(
        again == Err(Errno::Child),
        "waiting for it again gave {again:?}"
    );
    Ok(())
}
