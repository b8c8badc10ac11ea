//! Work of `hostel compare` that several threads do at once: [`Part`] is one thread's, [`run`] has all
//! of them done. The threads' starts and ends are no part of what is measured.

use crate::check::{Check, Context as _, Failure, Verdict};
use crate::sync::Turn;
use crate::thread;
use crate::time::MS;
use crate::work::{Done, Work};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

/// What one thread does.
pub trait Part: Send + 'static {
    /// Brings up what is brought up at first use, the thread's stack among it.
    fn prepare(&mut self) -> Result<Done, Failure>;
    /// Does it again and again until that time, once at least, and adds it.
    fn work_until(&mut self, end_ns: u64, done: &mut Done) -> Verdict;
}

/// What the threads have in common.
struct Team {
    /// Those that are not ready yet, or at work.
    busy: AtomicU64,
    /// [`READY`] when none is busy, [`GO`] when all may begin, [`OVER`] when none is busy again.
    turn: Turn,
    /// Is [`OVER`] when they may end.
    leave: Turn,
    end_ns: AtomicU64,
}

const READY: u32 = 1;
const GO: u32 = 2;
const OVER: u32 = 3;

impl Team {
    /// One thread more is done; the last one says `turn`.
    fn one_done(&self, turn: u32) {
        if self.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.turn.set(turn);
        }
    }

    /// All that a thread does.
    fn take_part(&self, mut part: impl Part) -> Result<Done, Failure> {
        let prepared = part.prepare();
        self.one_done(READY);
        self.turn.wait_for(GO);
        let end_ns = self.end_ns.load(Ordering::Acquire);
        let done = prepared.and_then(|mut done| {
            part.work_until(end_ns, &mut done)?;
            Ok(done)
        });
        self.one_done(OVER);
        self.leave.wait_for(OVER);
        done
    }
}

/// Has each part done by a thread of its own, for `ms` milliseconds, and reports what they have done
/// beside `done`.
pub fn run<P: Part>(check: &mut Check, ms: u64, parts: Vec<P>, mut done: Done) -> Verdict {
    let threads = parts.len() as u64;
    let team = Arc::new(Team {
        busy: AtomicU64::new(threads),
        turn: Turn::new(),
        leave: Turn::new(),
        end_ns: AtomicU64::new(0),
    });
    let mut at_work = Vec::new();
    for part in parts {
        let theirs = Arc::clone(&team);
        let thread = thread::spawn(move || theirs.take_part(part));
        at_work.push(thread.context("a thread")?);
    }
    team.turn.wait_for(READY);
    team.busy.store(threads, Ordering::Relaxed);
    let work = Work::begin(check)?;
    let end_ns = work.began_ns() + ms * MS;
    team.end_ns.store(end_ns, Ordering::Release);
    team.turn.set(GO);
    team.turn.wait_for(OVER);
    let ended = work.end_now()?;
    team.leave.set(OVER);
    for thread in at_work {
        done.add(&thread.join().context("join")??);
    }
    ended.report(check, &done)
}
