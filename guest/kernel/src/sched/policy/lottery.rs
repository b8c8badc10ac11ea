//! Lottery: each slice goes to the holder of a ticket drawn at random, so that shares of the
//! processor come to be as the tickets are (Waldspurger and Weihl, OSDI 1994).

use alloc::vec::Vec;

use super::{Rules, Scheduler, Slice, Task, Why};

/// Tasks in the order of arrival.
pub(super) struct Lottery<T> {
    waiting: Vec<T>,
    random: u64,
}

impl<T: Task> Lottery<T> {
    /// An empty queue. Its draws are always the same ones, so that an experiment can be repeated.
    pub(super) const fn new(_slice: u64) -> Self {
        Self {
            waiting: Vec::new(),
            random: 0x9e37_79b9_7f4a_7c15,
        }
    }

    /// The next random number (Marsaglia, Xorshift RNGs, 2003).
    fn draw(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

impl<T: Task + Send> Scheduler<T> for Lottery<T> {
    fn rules(&self) -> Rules {
        Rules {
            slice: Slice::Usual,
            preempts: false,
        }
    }

    fn enqueue(&mut self, task: T, _why: Why, _now: u64) {
        self.waiting.push(task);
    }

    fn pick_next(&mut self, _now: u64) -> Option<T> {
        let tickets: u64 = self.waiting.iter().map(T::weight).sum();
        let mut ticket = self.draw() % tickets.max(1);
        let winner = self.waiting.iter().position(|task| {
            let is_holder = ticket < task.weight();
            ticket = ticket.saturating_sub(task.weight());
            is_holder
        })?;
        Some(self.waiting.remove(winner))
    }

    fn steal(&mut self, cpu: usize) -> Option<T> {
        let index = self.waiting.iter().position(|task| task.may_run_on(cpu))?;
        Some(self.waiting.remove(index))
    }
}
