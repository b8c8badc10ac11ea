//! Laboratory: requests and their answers, of so many bytes each, between two processes by one way.
//!
//! `way=pipe|queue|socket|memory bytes=N rounds=N`
#![no_std]
#![no_main]

use user::abi::syscall::{Errno, Transfers};
use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::ipc::way::{End, Way, check_size, sum};
use user::ipc::{Shared, cost};
use user::mapping::PAGE;
use user::process::{Child, exit_code};
use user::sys::FOREVER;
use user::time::now_ns;

user::check!(run);

const MOST_BYTES: u64 = 1 << 20;
const MOST_ROUNDS: u64 = 100_000;

fn run(check: &mut Check) -> Verdict {
    let way = Way::from_name(check.text("way")?)?;
    let (bytes, rounds) = (check.value("bytes")?, check.value("rounds")?);
    check_size(bytes, MOST_BYTES)?;
    ensure!(
        (1..=MOST_ROUNDS).contains(&rounds),
        "rounds={rounds} is not from 1 to {MOST_ROUNDS}"
    );
    let size = bytes as usize;
    let (mut mine, mut theirs) = way.open(size).context("the way")?;
    let report = Shared::new(PAGE).context("shared memory")?;
    let child = Child::fork(|| match answer(&mut *theirs, rounds, size) {
        Ok(cost) => {
            tell(&report, &cost);
            0
        }
        Err(_) => 1,
    })
    .context("fork")?;
    // What is brought up at first use.
    exchange(&mut *mine, 0, size)?;
    let start = now_ns();
    let (asked, own) =
        cost(|| (1..=rounds).try_for_each(|round| exchange(&mut *mine, round, size)))?;
    let elapsed_ns = now_ns() - start;
    asked?;
    let status = child.wait(FOREVER).context("wait")?;
    ensure!(exit_code(status) == Some(0), "the server: {status:?}");
    let theirs = told(&report);
    check.metric("round_trips", rounds);
    check.metric("elapsed_ns", elapsed_ns);
    check.metric("moved_bytes", 2 * bytes * rounds);
    check.metric("crossings", own.crossings + theirs.crossings);
    check.metric("copies", own.copies + theirs.copies);
    check.metric("copied_bytes", own.copied_bytes + theirs.copied_bytes);
    Ok(())
}

fn exchange(end: &mut dyn End, round: u64, bytes: usize) -> Verdict {
    end.send(round).context("send")?;
    let answer = end.receive().context("receive")?;
    let expected = sum(!round, bytes);
    ensure!(
        answer == expected,
        "the answer of round {round} adds up to {answer}, not {expected}"
    );
    Ok(())
}

/// The server: answers all requests; what all but the first cost.
fn answer(end: &mut dyn End, rounds: u64, bytes: usize) -> Result<Transfers, Failure> {
    let mut one = |round: u64| {
        let request = end.receive()?;
        end.send(match request == sum(round, bytes) {
            true => !round,
            false => round,
        })
    };
    let first: Result<(), Errno> = one(0);
    first.context("the first request")?;
    let (answered, cost) = cost(|| (1..=rounds).try_for_each(one))?;
    answered.context("a request")?;
    Ok(cost)
}

fn tell(report: &Shared, cost: &Transfers) {
    report.write(0, cost.crossings);
    report.write(8, cost.copies);
    report.write(16, cost.copied_bytes);
}

fn told(report: &Shared) -> Transfers {
    Transfers {
        crossings: report.read(0),
        copies: report.read(8),
        copied_bytes: report.read(16),
    }
}
