//! A linked queue (Mellor-Crummey and Scott, 1991).

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{SpinLock, Spinner};
use crate::{MAX_THREADS, Padded};

/// Nobody; a thread is its number and one.
const NOBODY: usize = 0;

/// What a waiter has in the queue.
#[derive(Default)]
struct Node {
    next: AtomicUsize,
    waits: AtomicBool,
}

/// Each puts itself behind the last and waits for its own word, wherever it is; a node for each thread,
/// named by number, so that the lock may lie in memory that several processes share.
pub struct Mcs {
    last: Padded<AtomicUsize>,
    nodes: [Padded<Node>; MAX_THREADS],
}

impl Default for Mcs {
    fn default() -> Self {
        Self {
            last: Padded::default(),
            nodes: core::array::from_fn(|_| Padded::default()),
        }
    }
}

impl SpinLock for Mcs {
    fn lock(&self, me: &mut Spinner) {
        let mine = &self.nodes[me.number];
        mine.next.store(NOBODY, Ordering::Relaxed);
        mine.waits.store(true, Ordering::Relaxed);
        me.wrote();
        let before = self.last.swap(me.number + 1, Ordering::AcqRel);
        if before == NOBODY {
            return;
        }
        me.wrote();
        self.nodes[before - 1]
            .next
            .store(me.number + 1, Ordering::Release);
        while mine.waits.load(Ordering::Acquire) {
            me.waits();
        }
    }

    fn unlock(&self, me: &mut Spinner) {
        let mine = &self.nodes[me.number];
        if mine.next.load(Ordering::Acquire) == NOBODY {
            me.wrote();
            let last = self.last.compare_exchange(
                me.number + 1,
                NOBODY,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
            if last.is_ok() {
                return;
            }
        }
        // Somebody has put itself behind, and may be about to say so.
        let next = loop {
            match mine.next.load(Ordering::Acquire) {
                NOBODY => me.waits(),
                next => break next,
            }
        };
        me.wrote();
        self.nodes[next - 1].waits.store(false, Ordering::Release);
    }
}
