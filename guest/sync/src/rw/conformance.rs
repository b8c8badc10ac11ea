//! What every reader-writer lock has to do, on the host.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use super::{Fair, ReaderFirst, RwLock, WriterFirst};
use crate::testing::{Fragile, HostPark, together};

const READERS: usize = 3;
const THREADS: usize = 5;
const ROUNDS: u64 = 1000;

struct Shared {
    lock: Box<dyn RwLock + Send>,
    reading: AtomicU64,
    writes: Fragile,
}

fn all() -> [(&'static str, Box<dyn RwLock + Send>); 3] {
    [
        ("reader first", Box::new(ReaderFirst::<HostPark>::new(10))),
        ("writer first", Box::new(WriterFirst::<HostPark>::new(10))),
        ("fair", Box::new(Fair::<HostPark>::new(10))),
    ]
}

#[test]
fn a_writer_is_alone() {
    for (name, lock) in all() {
        let shared = Shared {
            lock,
            reading: AtomicU64::new(0),
            writes: Fragile::default(),
        };
        let shared = together(THREADS, shared, |shared, number| {
            for _ in 0..ROUNDS {
                if number < READERS {
                    shared.lock.read();
                    shared.reading.fetch_add(1, SeqCst);
                    let seen = shared.writes.get();
                    std::thread::yield_now();
                    assert_eq!(seen, shared.writes.get(), "a writer came among readers");
                    shared.reading.fetch_sub(1, SeqCst);
                    shared.lock.end_read();
                } else {
                    shared.lock.write();
                    assert_eq!(shared.reading.load(SeqCst), 0);
                    shared.writes.increment();
                    shared.lock.end_write();
                }
            }
        });
        let writers = (THREADS - READERS) as u64;
        assert_eq!(shared.writes.get(), writers * ROUNDS, "{name}");
    }
}

#[test]
fn readers_read_together() {
    for (_, lock) in all() {
        lock.read();
        lock.read();
        lock.end_read();
        lock.end_read();
        lock.write();
        lock.end_write();
        lock.read();
        lock.end_read();
    }
}
