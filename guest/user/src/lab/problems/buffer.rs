//! Producers and consumers with a buffer of few places (Dijkstra, 1965).

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{Job, report, unknown};
use crate::check::{Check, Verdict};
use crate::lab::Common;
use crate::sync::{Monitor, Mutex, Semaphore};
use crate::time::now_ns;

/// Places of the buffer.
const PLACES: usize = 1024;
/// Who has found it full waits until so few are left, instead of sleeping for each place.
const REFILL: usize = PLACES / 2;
/// The monitor's conditions.
const NOT_FULL: usize = 0;
const NOT_EMPTY: usize = 1;

/// A ring.
struct Ring {
    items: [u64; PLACES],
    first: usize,
    len: usize,
}

impl Ring {
    const EMPTY: Self = Self {
        items: [0; PLACES],
        first: 0,
        len: 0,
    };

    fn put(&mut self, item: u64) {
        self.items[(self.first + self.len) % PLACES] = item;
        self.len += 1;
    }

    fn take(&mut self) -> u64 {
        let item = self.items[self.first];
        self.first = (self.first + 1) % PLACES;
        self.len -= 1;
        item
    }
}

/// A buffer that waits.
trait Buffer: Sync {
    fn put(&self, item: u64);
    fn take(&self) -> u64;
    /// Wake-ups after which there was nothing to do.
    fn vain(&self) -> u64;
}

/// By two counting semaphores and a mutex.
struct BySemaphores {
    free: Semaphore,
    filled: Semaphore,
    ring: Mutex<Ring>,
}

impl Buffer for BySemaphores {
    fn put(&self, item: u64) {
        self.free.down();
        self.ring.lock().put(item);
        self.filled.up();
    }

    fn take(&self) -> u64 {
        self.filled.down();
        let item = self.ring.lock().take();
        self.free.up();
        item
    }

    fn vain(&self) -> u64 {
        0
    }
}

/// By a monitor with two conditions.
struct ByMonitor {
    monitor: Monitor<Ring, 2>,
    vain: AtomicU64,
}

impl Buffer for ByMonitor {
    fn put(&self, item: u64) {
        let vain = self.monitor.enter(|inside| {
            let most = match inside.value.len {
                PLACES => REFILL,
                _ => PLACES - 1,
            };
            let vain = inside.wait_until(NOT_FULL, |ring| ring.len <= most);
            inside.value.put(item);
            inside.signal(NOT_EMPTY);
            vain
        });
        self.vain.fetch_add(vain, Relaxed);
    }

    fn take(&self) -> u64 {
        let (item, vain) = self.monitor.enter(|inside| {
            let vain = inside.wait_until(NOT_EMPTY, |ring| ring.len > 0);
            let item = inside.value.take();
            if inside.value.len == REFILL {
                inside.broadcast(NOT_FULL);
            }
            (item, vain)
        });
        self.vain.fetch_add(vain, Relaxed);
        item
    }

    fn vain(&self) -> u64 {
        self.vain.load(Relaxed)
    }
}

struct Shared {
    semaphores: BySemaphores,
    monitor: ByMonitor,
    by_monitor: bool,
    operations: u64,
    put: AtomicU64,
    taken: AtomicU64,
    sum_put: AtomicU64,
    sum_taken: AtomicU64,
}

impl Shared {
    fn buffer(&self) -> &dyn Buffer {
        match self.by_monitor {
            true => &self.monitor,
            false => &self.semaphores,
        }
    }
}

/// Even numbers produce, odd ones consume.
fn work(shared: &Shared, number: usize) -> Verdict {
    let (buffer, mut sum) = (shared.buffer(), 0_u64);
    for turn in 0..shared.operations {
        let item = turn * 16 + number as u64;
        if number.is_multiple_of(2) {
            buffer.put(item);
            sum += item;
        } else {
            sum += buffer.take();
        }
    }
    let (count, total) = match number.is_multiple_of(2) {
        true => (&shared.put, &shared.sum_put),
        false => (&shared.taken, &shared.sum_taken),
    };
    count.fetch_add(shared.operations, Relaxed);
    total.fetch_add(sum, Relaxed);
    Ok(())
}

/// Half of the workers put items in, the other half take them out; what went in came out.
pub fn run(check: &mut Check, job: &Job) -> Verdict {
    let by_monitor = match job.with {
        "semaphores" => false,
        "monitor" => true,
        _ => return Err(unknown(job, &["semaphores", "monitor"])),
    };
    ensure!(job.count.is_multiple_of(2), "count={} is odd", job.count);
    let patience = job.patience;
    let shared = Common::new(Shared {
        semaphores: BySemaphores {
            free: Semaphore::new(PLACES as u32, patience),
            filled: Semaphore::new(0, patience),
            ring: Mutex::patient(Ring::EMPTY, patience),
        },
        monitor: ByMonitor {
            monitor: Monitor::new(Ring::EMPTY, patience),
            vain: AtomicU64::new(0),
        },
        by_monitor,
        operations: job.operations,
        put: AtomicU64::new(0),
        taken: AtomicU64::new(0),
        sum_put: AtomicU64::new(0),
        sum_taken: AtomicU64::new(0),
    })?;
    let start = now_ns();
    job.crew.run(job.count, shared, work)?;
    let [put, taken, sum_put, sum_taken] = [
        &shared.put,
        &shared.taken,
        &shared.sum_put,
        &shared.sum_taken,
    ]
    .map(|n| n.load(Relaxed));
    report(check, put + taken, start);
    check.metric("put", put);
    check.metric("taken", taken);
    check.metric("sum_lost", sum_put.abs_diff(sum_taken));
    check.metric("spurious", shared.buffer().vain());
    ensure!(
        put == taken && sum_put == sum_taken,
        "{put} items of sum {sum_put} went in, {taken} of sum {sum_taken} came out"
    );
    Ok(())
}
