//! Ordinary signals merge, real-time ones queue in order, and a mask holds both back.

use abi::signal::{FIRST_REAL_TIME, LAST, MOST_QUEUED, MaskChange, USER_1, bit};
use abi::syscall::Errno;

use super::{NOTES, note, raise};
use crate::check::{Check, Context as _, Verdict};
use crate::{signal, sys};

const LOW: u64 = FIRST_REAL_TIME + 2;
const HIGH: u64 = FIRST_REAL_TIME + 5;
const TIMES: u64 = 5;
const ALL: u64 = u64::MAX;

/// Sends each signal several times while all are held back, then lets them come.
pub fn order(check: &mut Check) -> Verdict {
    for number in [USER_1, LOW, HIGH] {
        signal::handle(number, ALL, note).context("a handler")?;
    }
    NOTES.clear();
    sys::signal_mask(MaskChange::Set, ALL).context("mask")?;
    let mut merged = 0;
    for value in 0..TIMES {
        merged += u64::from(!raise(USER_1, value).context("send")?);
        // The higher number first: it comes last nevertheless.
        raise(HIGH, value).context("send")?;
        raise(LOW, value).context("send")?;
    }
    let pending = sys::signal_pending().context("pending")?;
    check.metric("sent_each", TIMES);
    check.metric("merged", merged);
    check.metric("calls_held_back", NOTES.count() as u64);
    let expected = bit(USER_1) | bit(LOW) | bit(HIGH);
    ensure!(
        pending == expected,
        "{pending:#x} is pending, not {expected:#x}"
    );
    sys::signal_mask(MaskChange::Set, 0).context("mask")?;
    judge(check)?;
    full_queue()
}

fn judge(check: &mut Check) -> Verdict {
    let calls = NOTES.count();
    let ordinary = (0..calls).filter(|call| NOTES.call(*call).0 == USER_1);
    check.metric("ordinary_calls", ordinary.count() as u64);
    let queued = (0..TIMES).map(|value| (LOW, value));
    let queued = queued.chain((0..TIMES).map(|value| (HIGH, value)));
    let expected = core::iter::once((USER_1, 0)).chain(queued);
    let wrong = expected
        .enumerate()
        .find(|(at, call)| NOTES.call(*at) != *call);
    check.metric("real_time_calls", calls as u64 - 1);
    check.metric("out_of_order", u64::from(wrong.is_some()));
    ensure!(
        wrong.is_none(),
        "call and what it should have been: {wrong:?}; it was {:?}",
        wrong.map(|(at, _)| NOTES.call(at))
    );
    Ok(())
}

/// The queue takes so many, and refuses the next.
fn full_queue() -> Verdict {
    sys::signal_mask(MaskChange::Set, ALL).context("mask")?;
    signal::ignore(LAST).context("ignore")?;
    for _ in 0..MOST_QUEUED {
        raise(LAST, 0).context("send")?;
    }
    let refused = raise(LAST, 0);
    sys::signal_mask(MaskChange::Set, 0).context("mask")?;
    ensure!(
        refused == Err(Errno::Again),
        "a full queue gave {refused:?}"
    );
    for number in [0, LAST + 1, u64::MAX] {
        let refused = raise(number, 0);
        ensure!(
            refused == Err(Errno::Inval),
            "signal {number} gave {refused:?}"
        );
    }
    Ok(())
}
