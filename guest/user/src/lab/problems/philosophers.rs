//! Dining philosophers (Dijkstra, 1971), without deadlock: by a monitor that gives both forks at once, or
//! by semaphores of which the lower number is taken first.

use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};

use super::{Job, report, unknown};
use crate::check::{Check, Verdict};
use crate::lab::Common;
use crate::sync::{Monitor, Semaphore};
use crate::time::now_ns;

/// Most that sit there.
const MOST: usize = 16;

struct Shared {
    seats: usize,
    operations: u64,
    by_monitor: bool,
    /// Which forks are taken, and a condition for each philosopher.
    table: Monitor<[bool; MOST], MOST>,
    forks: [Semaphore; MOST],
    /// How many hold each fork: never two.
    holders: [AtomicU32; MOST],
    meals: [AtomicU64; MOST],
    clashes: AtomicU64,
}

impl Shared {
    fn forks_of(&self, seat: usize) -> [usize; 2] {
        [seat, (seat + 1) % self.seats]
    }

    fn eat(&self, seat: usize) {
        let forks = self.forks_of(seat);
        for fork in forks {
            if self.holders[fork].fetch_add(1, SeqCst) != 0 {
                self.clashes.fetch_add(1, Relaxed);
            }
        }
        for fork in forks {
            self.holders[fork].fetch_sub(1, SeqCst);
        }
        self.meals[seat].fetch_add(1, Relaxed);
    }

    fn dine_by_monitor(&self, seat: usize) {
        let forks = self.forks_of(seat);
        self.table.enter(|inside| {
            inside.wait_until(seat, |taken| forks.iter().all(|fork| !taken[*fork]));
            forks.iter().for_each(|fork| inside.value[*fork] = true);
        });
        self.eat(seat);
        self.table.enter(|inside| {
            forks.iter().for_each(|fork| inside.value[*fork] = false);
            inside.signal((seat + 1) % self.seats);
            inside.signal((seat + self.seats - 1) % self.seats);
        });
    }

    fn dine_by_semaphores(&self, seat: usize) {
        let [one, other] = self.forks_of(seat);
        self.forks[one.min(other)].down();
        self.forks[one.max(other)].down();
        self.eat(seat);
        self.forks[one].up();
        self.forks[other].up();
    }
}

fn work(shared: &Shared, seat: usize) -> Verdict {
    for _ in 0..shared.operations {
        match shared.by_monitor {
            true => shared.dine_by_monitor(seat),
            false => shared.dine_by_semaphores(seat),
        }
    }
    Ok(())
}

/// Each philosopher eats so many times; no fork is ever in two hands.
pub fn run(check: &mut Check, job: &Job) -> Verdict {
    let by_monitor = match job.with {
        "monitor" => true,
        "semaphores" => false,
        _ => return Err(unknown(job, &["monitor", "semaphores"])),
    };
    ensure!(job.count <= MOST, "only {MOST} can sit there");
    let shared = Common::new(Shared {
        seats: job.count,
        operations: job.operations,
        by_monitor,
        table: Monitor::new([false; MOST], job.patience),
        forks: core::array::from_fn(|_| Semaphore::new(1, job.patience)),
        holders: Default::default(),
        meals: Default::default(),
        clashes: AtomicU64::new(0),
    })?;
    let start = now_ns();
    job.crew.run(job.count, shared, work)?;
    let meals = shared.meals[..job.count]
        .iter()
        .map(|meals| meals.load(Relaxed));
    let (all, least) = (meals.clone().sum(), meals.min().unwrap_or(0));
    let clashes = shared.clashes.load(Relaxed);
    report(check, all, start);
    check.metric("meals", all);
    check.metric("least_meals", least);
    check.metric("clashes", clashes);
    ensure!(clashes == 0, "{clashes} times a fork was in two hands");
    Ok(())
}
