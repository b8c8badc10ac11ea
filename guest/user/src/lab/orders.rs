//! Orders that go through layers of workers, each a thread: one layer is boss and workers, layers of
//! one worker are a pipeline.
//!
//! A worker's work is time that passes, not computing, so that workers work at the same time on one
//! processor as they would on many.

use super::mailbox::Mailbox;
use crate::check::{Context as _, Failure};
use crate::time::now_ns;
use crate::{sys, thread};
use abi::syscall::Errno;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// How orders come to the workers of a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Handing {
    /// By one queue of the layer.
    Queue,
    /// By the boss, to a worker who has told it to be free.
    Direct,
    /// By their kind, to the worker for it.
    Special,
}

/// The shape of a shop.
#[derive(Clone, Copy)]
pub struct Shop {
    /// Layers that each order goes through.
    pub layers: usize,
    /// Workers of each.
    pub workers: usize,
    /// How long one works on an order.
    pub work_ns: u64,
    /// How orders come to them.
    pub handing: Handing,
    /// Kinds of orders; order n is of kind n modulo this.
    pub kinds: usize,
}

/// What came of all orders.
pub struct Report {
    /// From the first order to the last one's end.
    pub total_ns: u64,
    /// From the start, when all orders are there, to an order's end, on average.
    pub mean_ns: u64,
    /// Processor time of the boss for all orders.
    pub boss_ns: u64,
    /// Orders that the busiest worker of the first layer did.
    pub most: u64,
}

/// An order and when it was given, or that there will be no more.
type Order = Option<(usize, u64)>;

struct Floor {
    shop: Shop,
    /// Of each layer, one for each worker, or one for all.
    boxes: Vec<Vec<Mailbox<Order>>>,
    /// Workers who are free, for the boss who hands directly.
    free: Mailbox<usize>,
    done: Mailbox<u64>,
}

impl Floor {
    fn new(shop: Shop) -> Self {
        let boxes = match shop.handing {
            Handing::Queue => 1,
            Handing::Direct | Handing::Special => shop.workers,
        };
        let layer = || (0..boxes).map(|_| Mailbox::new()).collect();
        Self {
            shop,
            boxes: (0..shop.layers).map(|_| layer()).collect(),
            free: Mailbox::new(),
            done: Mailbox::new(),
        }
    }

    /// Gives an order to a layer, or what is behind the last one.
    fn give(&self, layer: usize, order: usize) {
        let Some(boxes) = self.boxes.get(layer) else {
            return self.done.put(now_ns());
        };
        let index = match self.shop.handing {
            Handing::Queue => 0,
            Handing::Direct => self.free.take(),
            Handing::Special => order % self.shop.kinds % boxes.len(),
        };
        boxes[index].put(Some((order, now_ns())));
    }

    /// What a worker does until there is no more; how many orders it did.
    fn work(&self, layer: usize, worker: usize) -> Result<u64, Errno> {
        let boxes = &self.boxes[layer];
        let (mut orders, mut free_ns) = (0, 0);
        loop {
            if self.shop.handing == Handing::Direct {
                self.free.put(worker);
            }
            let Some((order, given_ns)) = boxes[worker % boxes.len()].take() else {
                return Ok(orders);
            };
            // Waking up is part of the work.
            sys::sleep_until(given_ns.max(free_ns) + self.shop.work_ns)?;
            orders += 1;
            free_ns = now_ns();
            self.give(layer + 1, order);
        }
    }

    /// Tells all workers that there is no more.
    fn close(&self) {
        for boxes in &self.boxes {
            for worker in 0..self.shop.workers {
                boxes[worker % boxes.len()].put(None);
            }
        }
    }
}

/// From making the workers to the first order.
const LEAD_NS: u64 = 20_000_000;

/// Has that many orders done in such a shop.
pub fn run(shop: Shop, orders: usize) -> Result<Report, Failure> {
    let floor = Arc::new(Floor::new(shop));
    let mut threads = Vec::new();
    for place in 0..shop.layers * shop.workers {
        let floor = Arc::clone(&floor);
        let (layer, worker) = (place / shop.workers, place % shop.workers);
        threads.push(thread::spawn(move || floor.work(layer, worker)).context("a thread")?);
    }
    sys::sleep(LEAD_NS).context("sleep")?;
    let (start_ns, ran_ns) = (now_ns(), sys::thread_time_ns().context("thread time")?);
    (0..orders).for_each(|order| floor.give(0, order));
    let boss_ns = sys::thread_time_ns().context("thread time")? - ran_ns;
    let ends: Vec<u64> = (0..orders).map(|_| floor.done.take() - start_ns).collect();
    floor.close();
    let mut most = 0;
    for thread in threads {
        most = most.max(thread.join().context("join")?.context("a worker")?);
    }
    Ok(Report {
        total_ns: ends.iter().copied().max().unwrap_or(0),
        mean_ns: ends.iter().sum::<u64>() / (orders as u64).max(1),
        boss_ns,
        most,
    })
}
