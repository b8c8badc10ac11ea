//! A cache of free objects for each processor, before an allocator that all share (Bonwick, Adams:
//! Magazines and Vmem, 2001): most objects come and go without its lock.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::Allocator;
use crate::sync::Mutex;

/// Objects that a magazine holds.
const ROUNDS: usize = 16;

/// A processor's, or a thread's, way to an allocator.
pub struct Magazine<'a> {
    depot: &'a Mutex<Box<dyn Allocator>>,
    most: usize,
    rounds: Vec<usize>,
    /// Times that the lock was taken.
    pub locked: u64,
}

impl<'a> Magazine<'a> {
    /// One before `depot`.
    pub fn new(depot: &'a Mutex<Box<dyn Allocator>>) -> Self {
        Self::of(depot, ROUNDS)
    }

    /// No magazine at all: every object is the depot's.
    pub fn none(depot: &'a Mutex<Box<dyn Allocator>>) -> Self {
        Self::of(depot, 0)
    }

    fn of(depot: &'a Mutex<Box<dyn Allocator>>, most: usize) -> Self {
        Self {
            depot,
            most,
            rounds: Vec::with_capacity(most),
            locked: 0,
        }
    }

    /// An object, constructed.
    pub fn allocate(&mut self) -> Option<usize> {
        if let Some(object) = self.rounds.pop() {
            return Some(object);
        }
        self.locked += 1;
        let mut depot = self.depot.lock();
        let object = depot.allocate();
        // Half a magazine, so that the next may come or go.
        for _ in 0..self.most / 2 {
            self.rounds.extend(depot.allocate());
        }
        object
    }

    /// Takes an object back, which is as it was constructed.
    pub fn free(&mut self, object: usize) {
        if self.rounds.len() < self.most {
            return self.rounds.push(object);
        }
        self.locked += 1;
        let mut depot = self.depot.lock();
        depot.free(object);
        for object in self.rounds.drain(self.most / 2..) {
            depot.free(object);
        }
    }
}

impl Drop for Magazine<'_> {
    /// Gives back what it holds.
    fn drop(&mut self) {
        let mut depot = self.depot.lock();
        self.rounds.drain(..).for_each(|object| depot.free(object));
    }
}
