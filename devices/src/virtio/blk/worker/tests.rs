//! The worker without its thread, under a driver that makes its next request available when it is
//! looked for: interrupts depend on what that driver does, not on how fast the host is.

use super::*;
use crate::disk::DiskAccess;
use crate::irq::IrqLine;
use crate::virtio::blk::Blk;
use crate::virtio::blk::engine::{Completion, EngineChoice};
use crate::virtio::testing::{BUFFERS, Guest, Piece, QUEUE_SIZE};
use crate::virtio::{ActiveQueue, Interrupt};
use std::collections::{BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use virtio_bindings::virtio_blk::VIRTIO_BLK_T_FLUSH;
use virtio_queue::{Queue, QueueT};
use vmm_sys_util::eventfd::EventFd;

const REQUESTS: u16 = 100;
const HEADER: u64 = BUFFERS;
const STATUS: u64 = BUFFERS + 16;
/// Of a vigil: a busy host makes few of them end too soon, and the last one ends soon enough.
const LONG: Duration = Duration::from_millis(100);

/// Keeps so many requests under way, of which it knows by interrupts alone which are answered.
struct Driver {
    guest: Guest,
    depth: u16,
    offered: u16,
    seen: u16,
    interrupts: usize,
    /// Answers that it found without an interrupt.
    held: BTreeSet<u16>,
    looks: usize,
}

impl Driver {
    fn new(depth: u16) -> Self {
        let disk = DiskFile::temporary(512).unwrap();
        let guest = Guest::new(Box::new(Blk::new(disk, EngineChoice::Sync, 1)));
        guest.poke(HEADER, &VIRTIO_BLK_T_FLUSH.to_le_bytes());
        Self {
            guest,
            depth,
            offered: 0,
            seen: 0,
            interrupts: 0,
            held: BTreeSet::new(),
            looks: 0,
        }
    }

    /// An interrupt is late: two requests are begun between two, if there is room for them.
    fn act(&mut self) {
        self.looks += 1;
        if self.looks.is_multiple_of(3) || !self.begin_request() {
            self.take_interrupt();
        }
    }

    fn begin_request(&mut self) -> bool {
        let begins = self.offered < REQUESTS && self.offered - self.seen < self.depth;
        if begins {
            self.offered += 1;
            let pieces = [Piece::readable(HEADER, 16), Piece::writable(STATUS, 1)];
            self.guest.offer(0, &pieces);
        }
        begins
    }

    fn take_interrupt(&mut self) {
        let used = self.guest.used_index(0);
        if self.guest.line.evt().read().is_ok() {
            self.interrupts += 1;
            self.seen = used;
            self.guest.want_interrupt(0, used);
        } else if self.seen != used {
            self.held.insert(used);
        }
    }
}

/// Does all at once, and lets the driver act when the worker has nothing to do.
struct Instantly {
    driver: Arc<Mutex<Driver>>,
    done: VecDeque<u16>,
}

impl Engine for Instantly {
    fn start(&mut self, tag: u16, _transfer: Transfer) {
        self.done.push_back(tag);
    }

    fn submit(&mut self) {}

    fn completed(&mut self) -> Option<Completion> {
        let tag = self.done.pop_front()?;
        let result = Ok(());
        Some(Completion { tag, result })
    }

    fn has_completed(&self) -> bool {
        lock(&self.driver).act();
        !self.done.is_empty()
    }

    fn completion_fd(&self) -> Option<RawFd> {
        None
    }

    fn acknowledge(&self) {}

    fn wait(&mut self) {}
}

fn lock(driver: &Mutex<Driver>) -> MutexGuard<'_, Driver> {
    driver.lock().unwrap()
}

fn worker(driver: &Arc<Mutex<Driver>>, vigil: Vigil) -> BlkWork {
    let memory = Arc::new(lock(driver).guest.memory.clone());
    let line: IrqLine = lock(driver).guest.line.clone();
    let mut queue = Queue::new(QUEUE_SIZE).unwrap();
    let [desc, avail, used] = Guest::areas(0).map(|at| Some(at as u32));
    queue.set_desc_table_address(desc, None);
    queue.set_avail_ring_address(avail, None);
    queue.set_used_ring_address(used, None);
    queue.set_event_idx(true);
    queue.set_ready(true);
    let queue = ActiveQueue {
        index: 0,
        queue,
        doorbell: EventFd::new(libc::EFD_NONBLOCK).unwrap(),
    };
    let ring = Ring::new(queue, memory, Interrupt::new(Arc::new(line)));
    let disk = Arc::new(DiskFile::temporary(512).unwrap());
    let engine = Instantly {
        driver: Arc::clone(driver),
        done: VecDeque::new(),
    };
    let limits = Limits {
        sectors: 1,
        access: DiskAccess::ReadWrite,
        durability: Durability::Cached,
        discard: false,
        write_zeroes: false,
    };
    let mut work = BlkWork::new(ring, disk, Box::new(engine), limits);
    work.vigil = vigil;
    work
}

/// Serves all requests of a driver of that depth, which knows of each answer before the worker
/// sleeps. How often it was interrupted, and found an answer whose interrupt was held.
fn serve(depth: u16, vigil: Vigil) -> (usize, usize) {
    let driver = Arc::new(Mutex::new(Driver::new(depth)));
    let mut work = worker(&driver, vigil);
    for _ in 0..=REQUESTS {
        lock(&driver).begin_request();
        work.on_ready(super::REQUESTS);
        let mut driver = lock(&driver);
        driver.take_interrupt();
        assert_eq!(driver.seen, driver.guest.used_index(0), "asleep too soon");
        if driver.seen == REQUESTS {
            return (driver.interrupts, driver.held.len());
        }
    }
    panic!("not all requests are answered");
}

#[test]
fn a_driver_with_one_request_under_way_is_interrupted_for_each_and_seldom_late() {
    let (interrupts, held) = serve(1, Vigil::kept(LONG));
    assert_eq!(interrupts, usize::from(REQUESTS));
    assert!(held <= 7, "{held}");
}

#[test]
fn a_driver_with_several_under_way_is_interrupted_for_several() {
    let (interrupts, held) = serve(7, Vigil::kept(LONG));
    assert!(interrupts < usize::from(REQUESTS / 2) && held > 0);
}

#[test]
fn a_worker_that_does_not_stay_awake_holds_nothing_back() {
    for depth in [1, 3, 7] {
        let never = Vigil::new(Duration::ZERO);
        assert_eq!(serve(depth, never).1, 0, "{depth}");
    }
}
