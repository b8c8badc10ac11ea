//! Philosophers, all of whom take the left fork before one of them takes the right one, in every round.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use ::sync::deadlock::{MOST, Names, Table, Units, Why, one};

use super::{FORKS, Got, Job, Service, TASKS, policy_of, refusal};
use crate::check::{Check, Failure, Verdict};
use crate::lab::Common;
use crate::sync::Barrier;
use crate::time::now_ns;

/// Philosophers and forks.
const SEATS: usize = 5;
const LAST: usize = SEATS - 1;

struct Shared {
    policy: &'static str,
    rounds: u64,
    victims_end: bool,
    service: Service,
    start: Barrier,
    gate: Barrier,
    holders: [AtomicU32; SEATS],
    meals: [AtomicU64; SEATS],
    losses: [AtomicU64; SEATS],
    clashes: AtomicU64,
    /// What was held and wanted at the last refusal, each and one.
    refused: [AtomicU64; 2],
}

/// How a try to eat ended.
#[derive(PartialEq, Eq)]
enum Tried {
    Eaten,
    Lost,
    Refused,
}

impl Shared {
    fn is_avoidance(&self) -> bool {
        matches!(self.policy, "claim-graph" | "banker")
    }

    fn take(&self, task: usize, fork: usize) -> Result<Got, Failure> {
        let got = self
            .service
            .acquire(policy_of(self.policy)?, task, &one(fork))?;
        if let Got::Refused(Why::Order { held }) = got {
            self.refused[0].store(held as u64 + 1, Relaxed);
            self.refused[1].store(fork as u64 + 1, Relaxed);
        }
        Ok(got)
    }

    /// Sees to it that all have their first fork, or under avoidance all but the last, before one asks
    /// for its second one.
    fn meet(&self, task: usize, round: u64, has_first: bool) {
        match self.is_avoidance() {
            true if task == LAST && has_first => {}
            true if has_first => {
                self.gate.wait();
                let kept_back = round + 1;
                self.service
                    .wait_until(|manager| manager.unsafe_waits >= kept_back);
            }
            true if task == LAST => drop(self.gate.wait()),
            false if has_first && self.policy != "order" => drop(self.gate.wait()),
            _ => {}
        }
    }

    /// Tries to eat, with `first` before `second`; `round` if it is the round's first try.
    fn dine(&self, task: usize, forks: [usize; 2], round: Option<u64>) -> Result<Tried, Failure> {
        let meet = |has_first| {
            if let Some(round) = round {
                self.meet(task, round, has_first);
            }
        };
        meet(false);
        match self.take(task, forks[0])? {
            Got::All => meet(true),
            Got::Lost => return Ok(Tried::Lost),
            Got::Refused(_) => return Ok(Tried::Refused),
        }
        match self.take(task, forks[1])? {
            Got::All => {}
            Got::Lost => return Ok(Tried::Lost),
            Got::Refused(_) => {
                self.service.release(task, &one(forks[0]))?;
                return Ok(Tried::Refused);
            }
        }
        self.eat(task, forks);
        self.service.release(task, &both(task))?;
        Ok(Tried::Eaten)
    }

    fn eat(&self, task: usize, forks: [usize; 2]) {
        for fork in forks {
            let others = self.holders[fork].fetch_add(1, SeqCst);
            self.clashes.fetch_add(others.into(), Relaxed);
        }
        for fork in forks {
            self.holders[fork].fetch_sub(1, SeqCst);
        }
        self.meals[task].fetch_add(1, Relaxed);
    }
}

fn both(task: usize) -> Units {
    let mut units = one(task);
    units[(task + 1) % SEATS] = 1;
    units
}

fn work(shared: &Shared, task: usize) -> Verdict {
    let left_first = [task, (task + 1) % SEATS];
    let [left, right] = left_first;
    for round in 0..shared.rounds {
        shared.start.wait();
        let mut tried = shared.dine(task, left_first, Some(round))?;
        while tried != Tried::Eaten {
            if tried == Tried::Lost {
                shared.losses[task].fetch_add(1, Relaxed);
                if shared.victims_end {
                    return Ok(());
                }
            }
            let forks = match tried {
                Tried::Refused => [left.min(right), left.max(right)],
                _ => left_first,
            };
            tried = shared.dine(task, forks, None)?;
        }
    }
    Ok(())
}

fn table() -> Table {
    let mut total = [0; MOST];
    total[..SEATS].fill(1);
    let mut table = Table::new(SEATS, total);
    (0..SEATS).for_each(|task| table.claim(task, both(task)));
    table
}

/// In each round every philosopher eats once, though they come to the table as badly as can be.
pub fn run(check: &mut Check, job: &Job) -> Verdict {
    ensure!(
        !job.victims_end || job.rounds == 1,
        "victims=end is for rounds=1, not {}",
        job.rounds
    );
    let shared = Common::new(Shared {
        policy: job.policy,
        rounds: job.rounds,
        victims_end: job.victims_end,
        service: Service::new(table()),
        start: Barrier::new(SEATS as u32, 0),
        gate: Barrier::new(SEATS as u32, 0),
        holders: Default::default(),
        meals: Default::default(),
        losses: Default::default(),
        clashes: AtomicU64::new(0),
        refused: Default::default(),
    })?;
    let start = now_ns();
    job.crew.run(SEATS, shared, work)?;
    check.metric("elapsed_ns", now_ns() - start);
    report(check, &shared)
}

fn report(check: &mut Check, shared: &Shared) -> Verdict {
    let manager = shared.service.look(Clone::clone);
    let names = Names {
        tasks: &TASKS,
        resources: &FORKS,
    };
    if let Some(cycle) = manager.cycle {
        check.line(&alloc::format!("deadlock: {}", cycle.told(names)))?;
    }
    let [held, wanted] = [0, 1].map(|index| shared.refused[index].load(Relaxed) as usize);
    if held > 0 && wanted > 0 {
        let why = Why::Order { held: held - 1 };
        check.line(&alloc::format!(
            "refused: {}",
            refusal(LAST, wanted - 1, why)
        ))?;
    }
    let counts = |of: &[AtomicU64; SEATS]| of.each_ref().map(|count| count.load(Relaxed));
    let (meals, losses) = (counts(&shared.meals), counts(&shared.losses));
    check.metric("rounds", shared.rounds);
    check.metric("meals", meals.iter().sum());
    check.metric("least_meals", meals.into_iter().min().unwrap_or(0));
    check.metric("deadlocks", manager.deadlocks);
    check.metric("kept_back", manager.unsafe_waits);
    check.metric("refusals", manager.refusals);
    check.metric("most_losses", losses.into_iter().max().unwrap_or(0));
    check.metric("least_losses", losses.into_iter().min().unwrap_or(0));
    let clashes = shared.clashes.load(Relaxed);
    ensure!(clashes == 0, "{clashes} times a fork was in two hands");
    Ok(())
}
