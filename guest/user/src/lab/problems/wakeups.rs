//! Wake-ups in vain: one thing at a time for several that wait, by signal and by broadcast.

use super::{Job, report, unknown};
use crate::check::{Check, Verdict};
use crate::lab::Common;
use crate::sync::Monitor;
use crate::time::now_ns;

/// Conditions: something is there; all who wait have seen that nothing is.
const THERE: usize = 0;
const SETTLED: usize = 1;
/// Most workers.
const MOST: usize = 16;

#[derive(Default)]
struct State {
    is_there: bool,
    is_over: bool,
    /// How many things have been put there.
    round: u64,
    taken: u64,
    vain: u64,
    waiting: usize,
    /// The round in which each has begun to wait, or has found nothing.
    seen: [u64; MOST],
}

impl State {
    /// Whether nothing is there and `takers` wait, each of which has found so since the last thing came
    /// if that has woken `all`.
    fn is_settled(&self, takers: usize, all: bool) -> bool {
        let up_to_date = |seen: &u64| !all || *seen == self.round;
        !self.is_there && self.waiting == takers && self.seen[1..=takers].iter().all(up_to_date)
    }
}

struct Shared {
    monitor: Monitor<State, 2>,
    takers: usize,
    things: u64,
    by_broadcast: bool,
}

impl Shared {
    fn give(&self) {
        for _ in 0..self.things {
            self.monitor.enter(|inside| {
                let is_settled = |state: &State| state.is_settled(self.takers, self.by_broadcast);
                inside.wait_until(SETTLED, is_settled);
                inside.value.is_there = true;
                inside.value.round += 1;
                match self.by_broadcast {
                    true => inside.broadcast(THERE),
                    false => inside.signal(THERE),
                }
            });
        }
        self.monitor.enter(|inside| {
            let is_settled = |state: &State| state.is_settled(self.takers, self.by_broadcast);
            inside.wait_until(SETTLED, is_settled);
            inside.value.is_over = true;
            inside.broadcast(THERE);
        });
    }

    /// Waits for something; false if there will be no more.
    fn take(&self, number: usize) -> bool {
        self.monitor.enter(|inside| {
            inside.value.waiting += 1;
            let mut looks = 0;
            while !inside.value.is_there && !inside.value.is_over {
                let round = inside.value.round;
                inside.value.seen[number] = round;
                inside.value.vain += u64::from(looks > 0);
                looks += 1;
                inside.signal(SETTLED);
                inside.wait(THERE);
            }
            inside.value.waiting -= 1;
            let took = inside.value.is_there;
            inside.value.taken += u64::from(took);
            inside.value.is_there = false;
            took
        })
    }
}

fn work(shared: &Shared, number: usize) -> Verdict {
    match number {
        0 => shared.give(),
        taker => while shared.take(taker) {},
    }
    Ok(())
}

/// Number 0 puts one thing after the other there, the others wait for them.
pub fn run(check: &mut Check, job: &Job) -> Verdict {
    let by_broadcast = match job.with {
        "signal" => false,
        "broadcast" => true,
        _ => return Err(unknown(job, &["signal", "broadcast"])),
    };
    let shared = Common::new(Shared {
        monitor: Monitor::new(State::default(), job.patience),
        takers: job.count - 1,
        things: job.operations,
        by_broadcast,
    })?;
    let start = now_ns();
    job.crew.run(job.count, shared, work)?;
    let [taken, vain] = shared
        .monitor
        .enter(|inside| [inside.value.taken, inside.value.vain]);
    report(check, taken, start);
    check.metric("taken", taken);
    check.metric("vain", vain);
    check.metric("takers", job.count as u64 - 1);
    ensure!(
        taken == job.operations,
        "{taken} of {} things were taken",
        job.operations
    );
    Ok(())
}
