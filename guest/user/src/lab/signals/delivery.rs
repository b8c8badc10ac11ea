//! Who takes a signal, what it disturbs, and what it does by itself.

use abi::signal::{CHILD, KILL, MaskChange, TERMINATE, USER_1, USER_2, bit};
use abi::syscall::{EndCause, Errno, ExitStatus};
use alloc::sync::Arc;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst};

use super::{NOTES, end_by, note, raise, stack_address};
use crate::check::{Check, Context as _, Verdict};
use crate::process::{Child, cause};
use crate::sys::{self, FOREVER, Pid};
use crate::time::MS;
use crate::{signal, thread};

/// Stacks are smaller than this, and further apart.
const STACK_BYTES: usize = 64 * 1024;
/// Ends a wait that a signal should have ended.
const TOO_LONG: u64 = 5000 * MS;

/// A signal to a process is taken by a thread that does not hold it back, one to a thread by that.
pub fn threads(check: &mut Check) -> Verdict {
    signal::handle(USER_1, 0, note).context("a handler")?;
    NOTES.clear();
    let stack = Arc::new(AtomicUsize::new(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let (theirs, over) = (Arc::clone(&stack), Arc::clone(&is_over));
    let worker = thread::spawn(move || {
        theirs.store(stack_address(), SeqCst);
        while !over.load(SeqCst) {
            core::hint::spin_loop();
        }
    })
    .context("a thread")?;
    while stack.load(SeqCst) == 0 {
        sys::yield_now();
    }
    sys::signal_mask(MaskChange::Block, bit(USER_1)).context("mask")?;
    let mut on_worker = 0;
    for thread in [None, Some(worker.tid())] {
        let before = NOTES.count();
        sys::signal_send(Pid(0), thread, USER_1, 0).context("send")?;
        while NOTES.count() == before {
            sys::yield_now();
        }
        let distance = NOTES.stack.load(SeqCst).abs_diff(stack.load(SeqCst));
        on_worker += u64::from(distance < STACK_BYTES);
    }
    is_over.store(true, SeqCst);
    worker.join().context("join")?;
    sys::signal_mask(MaskChange::Set, 0).context("mask")?;
    check.metric("on_the_right_thread", on_worker);
    let gone = sys::signal_send(Pid(0), Some(sys::Tid(1000)), USER_1, 0);
    ensure!(
        gone == Err(Errno::Srch),
        "a thread that is none gave {gone:?}"
    );
    let stranger = sys::signal_send(Pid(1 << 40), None, USER_1, 0);
    ensure!(
        stranger == Err(Errno::Srch),
        "a process that is none gave {stranger:?}"
    );
    ensure!(
        on_worker == 2,
        "{on_worker} of 2 signals came where they should"
    );
    Ok(())
}

/// A sleep, and a wait for a word or a child, end with `Intr` when a signal comes.
pub fn sleepers(check: &mut Check) -> Verdict {
    signal::handle(USER_2, 0, note).context("a handler")?;
    static WORD: AtomicU32 = AtomicU32::new(0);
    let waits: [fn() -> Result<(), Errno>; 3] = [
        || sys::sleep(TOO_LONG),
        || sys::futex_wait(&WORD, 0, TOO_LONG),
        || sys::wait(None, TOO_LONG).map(drop),
    ];
    let child = Child::fork(|| {
        // Lives as long as it is waited for.
        let _ = sys::sleep(FOREVER / 4);
        0
    })
    .context("fork")?;
    let mut disturbed = 0;
    for wait in waits {
        let is_over = Arc::new(AtomicBool::new(false));
        let theirs = Arc::clone(&is_over);
        let sleeper = thread::spawn(move || {
            let ended = wait();
            theirs.store(true, SeqCst);
            ended
        });
        let sleeper = sleeper.context("a thread")?;
        while !is_over.load(SeqCst) {
            sys::sleep(2 * MS).context("sleep")?;
            let sent = sys::signal_send(Pid(0), Some(sleeper.tid()), USER_2, 0);
            ensure!(sent.is_ok() || is_over.load(SeqCst), "a sleeper: {sent:?}");
        }
        let ended = sleeper.join().context("join")?;
        disturbed += u64::from(ended == Err(Errno::Intr));
    }
    let status = child.kill().context("kill")?;
    check.metric("disturbed", disturbed);
    ensure!(
        cause(status) == Some(EndCause::Killed),
        "the child: {status:?}"
    );
    ensure!(disturbed == 3, "{disturbed} of 3 waits ended with Intr");
    Ok(())
}

/// Without a handler a signal ends the process, by its number; some do nothing, one cannot be held back.
pub fn defaults(check: &mut Check) -> Verdict {
    let spin = || loop {
        core::hint::spin_loop();
    };
    let ended = end_by(&Child::fork(spin).context("fork")?, TERMINATE).context("wait")?;
    let is_by = |status: ExitStatus, number| {
        cause(status) == Some(EndCause::Signal) && status.detail == number
    };
    ensure!(
        is_by(ended, TERMINATE),
        "a child without handler: {ended:?}"
    );
    let stubborn = Child::fork(|| {
        let _ = sys::signal_mask(MaskChange::Set, u64::MAX);
        let refused = signal::ignore(KILL);
        match refused {
            Err(Errno::Inval) => spin(),
            _ => 1,
        }
    });
    let ended = end_by(&stubborn.context("fork")?, KILL).context("wait")?;
    ensure!(is_by(ended, KILL), "a child that holds all back: {ended:?}");
    raise(CHILD, 0).context("send")?;
    signal::ignore(USER_1).context("ignore")?;
    raise(USER_1, 0).context("send")?;
    signal::reset(USER_1).context("reset")?;
    check.metric("ended_by_signal", 2);
    Ok(())
}

/// What a computation comes to: integers and floating point, in registers.
fn compute(rounds: u64) -> (u64, f64) {
    let (mut sum, mut product) = (0_u64, 1.0_f64);
    for round in 0..rounds {
        sum = sum.rotate_left(5) ^ black_box(round);
        product = product * 1.000_001 + black_box(0.5);
    }
    (sum, product)
}

/// Uses the registers that a handler may use.
extern "C" fn disturb(number: u64, value: u64) {
    note(number, value);
    black_box(compute(10));
}

/// A computation that signals interrupt comes to the same.
pub fn registers(check: &mut Check) -> Verdict {
    const ROUNDS: u64 = 2_000_000;
    const LEAST: usize = 20;
    signal::handle(USER_1, 0, disturb).context("a handler")?;
    NOTES.clear();
    let expected = compute(ROUNDS);
    let is_over = Arc::new(AtomicBool::new(false));
    let theirs = Arc::clone(&is_over);
    let sender = thread::spawn(move || {
        let _ = sys::set_affinity(2);
        let _ = sys::signal_mask(MaskChange::Set, bit(USER_1));
        while !theirs.load(SeqCst) {
            let _ = raise(USER_1, 0);
        }
    })
    .context("a thread")?;
    let (mut wrong, mut computed) = (0_u64, 0_u64);
    while NOTES.count() < LEAST {
        wrong += u64::from(compute(ROUNDS) != expected);
        computed += 1;
    }
    is_over.store(true, SeqCst);
    sender.join().context("join")?;
    check.metric("interruptions", NOTES.count() as u64);
    check.metric("computations", computed);
    check.metric("wrong", wrong);
    ensure!(
        wrong == 0,
        "{wrong} of {computed} computations came to something else"
    );
    Ok(())
}
