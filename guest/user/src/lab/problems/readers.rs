//! Readers and writers (Courtois, Heymans and Parnas, 1971), by preference; and readers under RCU.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

use ::sync::Rcu;

use super::{Job, report, unknown};
use crate::check::{Check, Failure, Verdict};
use crate::lab::Common;
use crate::sync::rw::RwLocks;
use crate::sys;
use crate::time::now_ns;

/// Words of the record that is read and written: they are all the same unless somebody looks between.
const WORDS: usize = 8;
/// One operation of a writer in so many.
const WRITES_OF: u64 = 16;

struct Shared {
    with: &'static str,
    operations: u64,
    locks: RwLocks,
    rcu: Rcu,
    /// Two versions; under a lock the first alone is used.
    versions: [[AtomicU64; WORDS]; 2],
    current: AtomicUsize,
    reads: AtomicU64,
    writes: AtomicU64,
    torn: AtomicU64,
    reader_ns: AtomicU64,
}

impl Shared {
    /// Whether the words of `version` differ.
    fn is_torn(&self, version: usize) -> bool {
        let words = &self.versions[version];
        let first = words[0].load(Relaxed);
        words.iter().any(|word| word.load(Relaxed) != first)
    }

    fn put(&self, version: usize, value: u64) {
        let words = self.versions[version].iter();
        words.for_each(|word| word.store(value, Relaxed));
    }

    /// Reads so many times; how often the words differed.
    fn read(&self, number: usize) -> Result<u64, Failure> {
        let Some(lock) = self.locks.by_name(self.with) else {
            return Ok((0..self.operations).map(|_| self.read_rcu(number)).sum());
        };
        let read = |_| {
            lock.read();
            let torn = u64::from(self.is_torn(0));
            lock.end_read();
            torn
        };
        Ok((0..self.operations).map(read).sum())
    }

    fn read_rcu(&self, number: usize) -> u64 {
        self.rcu.enter(number);
        let torn = self.is_torn(self.current.load(SeqCst));
        self.rcu.leave(number);
        torn.into()
    }

    fn write(&self) {
        let Some(lock) = self.locks.by_name(self.with) else {
            return self.write_rcu();
        };
        lock.write();
        self.put(0, self.versions[0][0].load(Relaxed) + 1);
        lock.end_write();
    }

    /// There is one writer.
    fn write_rcu(&self) {
        let now = self.current.load(SeqCst);
        self.put(1 - now, self.versions[now][0].load(Relaxed) + 1);
        self.current.store(1 - now, SeqCst);
        self.rcu.synchronize(sys::yield_now);
    }
}

/// Number 0 writes, the others read.
fn work(shared: &Shared, number: usize) -> Verdict {
    if number == 0 {
        let writes = shared.operations / WRITES_OF;
        (0..writes).for_each(|_| shared.write());
        shared.writes.fetch_add(writes, Relaxed);
        return Ok(());
    }
    let start = now_ns();
    let torn = shared.read(number)?;
    shared.reader_ns.fetch_add(now_ns() - start, Relaxed);
    shared.torn.fetch_add(torn, Relaxed);
    shared.reads.fetch_add(shared.operations, Relaxed);
    Ok(())
}

/// One worker writes a record, the others read it: no reader sees half of a write.
pub fn run(check: &mut Check, job: &Job) -> Verdict {
    let locks = RwLocks::new(job.patience);
    let is_known = job.with == "rcu" || locks.by_name(job.with).is_some();
    if !is_known {
        return Err(unknown(
            job,
            &["reader-first", "writer-first", "fair", "rcu"],
        ));
    }
    let shared = Common::new(Shared {
        with: job.with,
        operations: job.operations,
        locks,
        rcu: Rcu::new(),
        versions: Default::default(),
        current: AtomicUsize::new(0),
        reads: AtomicU64::new(0),
        writes: AtomicU64::new(0),
        torn: AtomicU64::new(0),
        reader_ns: AtomicU64::new(0),
    })?;
    let start = now_ns();
    job.crew.run(job.count, shared, work)?;
    let version = shared.versions[shared.current.load(SeqCst)][0].load(Relaxed);
    let [reads, writes, torn] =
        [&shared.reads, &shared.writes, &shared.torn].map(|n| n.load(Relaxed));
    report(check, reads + writes, start);
    check.metric("reads", reads);
    check.metric("writes", writes);
    check.metric("version", version);
    check.metric("torn", torn);
    check.metric("reader_ns", shared.reader_ns.load(Relaxed));
    ensure!(torn == 0, "{torn} of {reads} readers saw half of a write");
    ensure!(version == writes, "{version} writes are there of {writes}");
    Ok(())
}
