//! Transfers between accounts: a task locks one account, then the other, as they come, and gives the first
//! back when it is a victim. Nothing is moved before both are locked.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use ::sync::deadlock::{MOST, Table, one};

use super::{Got, Job, Service, policy_of};
use crate::check::{Check, Failure, Verdict};
use crate::lab::Common;
use crate::sys;
use crate::time::now_ns;

const TASKS: usize = 4;
/// What is in each account at first.
const BALANCE: u64 = 1000;

struct Shared {
    policy: &'static str,
    rounds: u64,
    service: Service,
    balances: [AtomicU64; MOST],
    done: AtomicU64,
    losses: [AtomicU64; TASKS],
    most_in_a_row: AtomicU64,
}

/// Accounts by a linear congruential generator (Knuth, TAOCP 2, 3.3.4).
fn next(seed: &mut u64) -> usize {
    *seed = seed
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 61) as usize
}

impl Shared {
    /// Whether it was done; false for a victim.
    fn transfer(&self, task: usize, accounts: [usize; 2]) -> Result<bool, Failure> {
        let policy = policy_of(self.policy)?;
        for (index, account) in accounts.into_iter().enumerate() {
            match self.service.acquire(policy, task, &one(account))? {
                Got::All if index == 0 => sys::yield_now(),
                Got::All => {}
                Got::Lost => return Ok(false),
                Got::Refused(why) => return Err(Failure(alloc::format!("refused: {why:?}"))),
            }
        }
        let [from, to] = accounts.map(|account| &self.balances[account]);
        let amount = from.load(Relaxed) / 10;
        from.store(from.load(Relaxed) - amount, Relaxed);
        to.store(to.load(Relaxed) + amount, Relaxed);
        let mut both = one(accounts[0]);
        both[accounts[1]] = 1;
        self.service.release(task, &both)?;
        Ok(true)
    }
}

fn work(shared: &Shared, task: usize) -> Verdict {
    let mut seed = task as u64 + 1;
    for _ in 0..shared.rounds {
        let from = next(&mut seed);
        let to = (from + 1 + next(&mut seed) % (MOST - 1)) % MOST;
        let accounts = match shared.policy {
            "order" => [from.min(to), from.max(to)],
            _ => [from, to],
        };
        let mut in_a_row = 0;
        while !shared.transfer(task, accounts)? {
            in_a_row += 1;
        }
        shared.losses[task].fetch_add(in_a_row, Relaxed);
        shared.most_in_a_row.fetch_max(in_a_row, Relaxed);
        shared.done.fetch_add(1, Relaxed);
    }
    Ok(())
}

/// No money is lost or made, whoever was a victim.
pub fn run(check: &mut Check, job: &Job) -> Verdict {
    let mut table = Table::new(TASKS, [1; MOST]);
    (0..TASKS).for_each(|task| table.claim(task, [1; MOST]));
    let shared = Common::new(Shared {
        policy: job.policy,
        rounds: job.rounds,
        service: Service::new(table),
        balances: core::array::from_fn(|_| AtomicU64::new(BALANCE)),
        done: AtomicU64::new(0),
        losses: Default::default(),
        most_in_a_row: AtomicU64::new(0),
    })?;
    let start = now_ns();
    job.crew.run(TASKS, shared, work)?;
    check.metric("elapsed_ns", now_ns() - start);
    let sum: u64 = shared
        .balances
        .iter()
        .map(|balance| balance.load(Relaxed))
        .sum();
    let losses = shared.losses.each_ref().map(|losses| losses.load(Relaxed));
    check.metric("done", shared.done.load(Relaxed));
    check.metric("sum", sum);
    check.metric(
        "deadlocks",
        shared.service.look(|manager| manager.deadlocks),
    );
    check.metric("losses", losses.iter().sum());
    check.metric("most_losses", losses.into_iter().max().unwrap_or(0));
    check.metric("most_in_a_row", shared.most_in_a_row.load(Relaxed));
    let expected = BALANCE * MOST as u64;
    ensure!(sum == expected, "{sum} is there of {expected}");
    Ok(())
}
