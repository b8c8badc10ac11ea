//! What the sleeping primitives have to do, on the host.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use crate::testing::{Fragile, HostPark, together};
use crate::{Barrier, Condvar, Mutex, Rcu, Rendezvous, Semaphore};

const ROUNDS: u64 = 2000;

#[test]
fn a_mutex_lets_one_in() {
    let shared = (Mutex::<HostPark>::new(3), Fragile::default());
    let shared = together(4, shared, |(mutex, counter), _| {
        for _ in 0..ROUNDS {
            mutex.lock();
            counter.increment();
            mutex.unlock();
        }
    });
    assert_eq!(shared.1.get(), 4 * ROUNDS);
    assert!(shared.0.try_lock() && !shared.0.try_lock());
}

#[test]
#[should_panic(expected = "only a held mutex")]
fn a_free_mutex_is_not_unlocked() {
    Mutex::<HostPark>::new(0).unlock();
}

/// A buffer of one place under a mutex and two conditions.
struct Place {
    mutex: Mutex<HostPark>,
    filled: Condvar<HostPark>,
    emptied: Condvar<HostPark>,
    content: AtomicU64,
    sum: AtomicU64,
}

#[test]
fn a_condition_wakes_who_waits_for_it() {
    let place = Place {
        mutex: Mutex::new(0),
        filled: Condvar::new(),
        emptied: Condvar::new(),
        content: AtomicU64::new(0),
        sum: AtomicU64::new(0),
    };
    let place = together(4, place, |place, number| {
        for value in 1..=ROUNDS {
            place.mutex.lock();
            if number < 2 {
                while place.content.load(SeqCst) != 0 {
                    place.emptied.wait(&place.mutex);
                }
                place.content.store(value, SeqCst);
                place.filled.signal();
            } else {
                while place.content.load(SeqCst) == 0 {
                    place.filled.wait(&place.mutex);
                }
                place.sum.fetch_add(place.content.swap(0, SeqCst), SeqCst);
                place.emptied.broadcast();
            }
            place.mutex.unlock();
        }
    });
    assert_eq!(place.sum.load(SeqCst), ROUNDS * (ROUNDS + 1));
}

#[test]
fn a_semaphore_lets_as_many_in_as_it_has() {
    let shared = (Semaphore::<HostPark>::new(2, 3), AtomicUsize::new(0));
    let shared = together(4, shared, |(semaphore, inside), _| {
        for _ in 0..ROUNDS {
            semaphore.down();
            assert!(inside.fetch_add(1, SeqCst) < 2);
            inside.fetch_sub(1, SeqCst);
            semaphore.up();
        }
    });
    assert_eq!(shared.0.count(), 2);
    assert!(shared.0.try_down() && shared.0.try_down() && !shared.0.try_down());
}

#[test]
fn a_barrier_holds_all_back_until_the_last() {
    let shared = (
        Barrier::<HostPark>::new(3, 3),
        AtomicU64::new(0),
        AtomicU64::new(0),
    );
    let shared = together(3, shared, |(barrier, arrivals, leaders), _| {
        for round in 1..=500 {
            arrivals.fetch_add(1, SeqCst);
            leaders.fetch_add(u64::from(barrier.wait()), SeqCst);
            assert!(arrivals.load(SeqCst) >= 3 * round);
        }
    });
    assert_eq!(shared.2.load(SeqCst), 500, "one is the last in each round");
}

#[test]
fn two_that_meet_take_what_the_other_brings() {
    together(2, Rendezvous::<HostPark>::new(3), |rendezvous, side| {
        for round in 0..ROUNDS {
            let taken = rendezvous.meet(side, round * 2 + side as u64);
            assert_eq!(taken, round * 2 + 1 - side as u64);
        }
    });
}

/// Versions in two places, of which one is being written while nobody reads it.
struct Versions {
    rcu: Rcu,
    current: AtomicUsize,
    words: [[AtomicU64; 8]; 2],
    is_over: AtomicU64,
}

#[test]
fn what_a_reader_sees_stays_until_it_has_done() {
    let versions = Versions {
        rcu: Rcu::new(),
        current: AtomicUsize::new(0),
        words: Default::default(),
        is_over: AtomicU64::new(0),
    };
    together(3, versions, |versions, number| {
        if number == 0 {
            for version in 1..=ROUNDS {
                let next = 1 - versions.current.load(SeqCst);
                for word in &versions.words[next] {
                    word.store(version, SeqCst);
                }
                versions.current.store(next, SeqCst);
                versions.rcu.synchronize(std::thread::yield_now);
            }
            versions.is_over.store(1, SeqCst);
            return;
        }
        while versions.is_over.load(SeqCst) == 0 {
            versions.rcu.enter(number);
            let seen = &versions.words[versions.current.load(SeqCst)];
            let first = seen[0].load(SeqCst);
            // Time for the writer to come by.
            std::thread::yield_now();
            assert!(seen.iter().all(|word| word.load(SeqCst) == first));
            versions.rcu.leave(number);
        }
    });
}
