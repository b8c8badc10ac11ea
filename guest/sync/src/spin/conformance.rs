//! What every spin lock has to do, on the host.

use super::{Locks, NAMES, Spinner};
use crate::testing::{Fragile, together};

const THREADS: usize = 4;
const ROUNDS: u64 = 300;

struct Shared {
    name: &'static str,
    locks: Locks,
    counter: Fragile,
}

fn spinner(number: usize) -> Spinner {
    Spinner::new(number, 100, std::thread::yield_now)
}

#[test]
fn one_at_a_time_holds_it() {
    for name in NAMES {
        let shared = Shared {
            name,
            locks: Locks::default(),
            counter: Fragile::default(),
        };
        let shared = together(THREADS, shared, |shared, number| {
            let lock = shared.locks.by_name(shared.name).expect("a lock");
            let mut me = spinner(number);
            for _ in 0..ROUNDS {
                lock.lock(&mut me);
                shared.counter.increment();
                lock.unlock(&mut me);
            }
        });
        assert_eq!(shared.counter.get(), THREADS as u64 * ROUNDS, "{name}");
    }
}

#[test]
fn a_free_lock_costs_few_writes_and_no_wait() {
    for name in NAMES {
        let locks = Locks::default();
        let lock = locks.by_name(name).expect("a lock");
        let mut me = spinner(5);
        for _ in 0..1000 {
            lock.lock(&mut me);
            lock.unlock(&mut me);
        }
        assert!((2000..=3000).contains(&me.traffic.writes), "{name}");
        assert_eq!(me.traffic.reads, 0, "{name}");
    }
}

#[test]
fn a_name_that_is_none_is_no_lock() {
    assert!(Locks::default().by_name("no-lock").is_none());
}
