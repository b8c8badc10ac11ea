//! A policy's queue, with its answers checked: who is handed out must have been handed in, and may
//! run there. Nothing here touches the machine.

use alloc::boxed::Box;
use core::fmt;

use super::policy::{Scheduler, Task, Why};

/// A task that can be told which queue it is in.
pub(super) trait Queued: Task {
    /// The processor in whose queue it is.
    fn queue(&self) -> Option<usize>;
    /// It is in another queue from now on, or in none.
    fn set_queue(&self, cpu: Option<usize>);
}

/// Why an answer of a policy is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal<T> {
    /// The task does not wait in this queue.
    NotHandedIn(T),
    /// The task may not run on that processor.
    MayNotRun(T, usize),
    /// No task, though so many wait.
    Nobody(usize),
}

impl<T> Refusal<T> {
    /// The task that it is about.
    pub(super) fn task(&self) -> Option<&T> {
        match self {
            Self::NotHandedIn(task) | Self::MayNotRun(task, _) => Some(task),
            Self::Nobody(_) => None,
        }
    }
}

impl<T> fmt::Display for Refusal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHandedIn(_) => f.write_str("which is not in its queue"),
            Self::MayNotRun(_, cpu) => write!(f, "which may not run on processor {cpu}"),
            Self::Nobody(waiting) => write!(f, "nobody, though {waiting} wait"),
        }
    }
}

/// What a policy answers.
pub(super) type Answer<T> = Result<Option<T>, Refusal<T>>;

/// The tasks that wait for one processor.
pub(super) struct Checked<T> {
    policy: Box<dyn Scheduler<T>>,
    cpu: usize,
    len: usize,
}

impl<T: Queued> Checked<T> {
    /// An empty queue of processor `cpu`.
    pub(super) fn new(policy: Box<dyn Scheduler<T>>, cpu: usize) -> Self {
        Self {
            policy,
            cpu,
            len: 0,
        }
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The policy, to be asked what changes nothing.
    pub(super) fn policy(&self) -> &dyn Scheduler<T> {
        &*self.policy
    }

    /// `task` waits.
    pub(super) fn enqueue(&mut self, task: T, why: Why, now: u64) {
        task.set_queue(Some(self.cpu));
        self.len += 1;
        self.policy.enqueue(task, why, now);
    }

    /// Takes out who is to run next.
    pub(super) fn pick(&mut self, now: u64) -> Answer<T> {
        if self.len == 0 {
            return Ok(None);
        }
        let task = self.policy.pick_next(now);
        let task = task.ok_or(Refusal::Nobody(self.len))?;
        self.admit(task, self.cpu)
    }

    /// Takes out somebody for processor `cpu`.
    pub(super) fn steal(&mut self, cpu: usize) -> Answer<T> {
        match self.policy.steal(cpu) {
            Some(task) => self.admit(task, cpu),
            None => Ok(None),
        }
    }

    #[inline]
    fn admit(&mut self, task: T, cpu: usize) -> Answer<T> {
        if task.queue() != Some(self.cpu) {
            return Err(Refusal::NotHandedIn(task));
        }
        task.set_queue(None);
        self.len -= 1;
        if !task.may_run_on(cpu) {
            return Err(Refusal::MayNotRun(task, cpu));
        }
        Ok(Some(task))
    }

    /// Hands all tasks in anew, to another policy if there is one; those that the old one gives
    /// back. `before` is called for each.
    pub(super) fn hand_over(
        &mut self,
        policy: Option<Box<dyn Scheduler<T>>>,
        why: Why,
        now: u64,
        before: impl Fn(&T),
    ) -> Result<(), Refusal<T>> {
        let mut tasks = alloc::vec::Vec::with_capacity(self.len);
        let mut outcome = Ok(());
        for _ in 0..self.len {
            match self.pick(now) {
                Ok(task) => tasks.extend(task),
                Err(refusal) => outcome = Err(refusal),
            }
        }
        if let Some(policy) = policy {
            self.policy = policy;
        }
        for task in tasks {
            before(&task);
            self.enqueue(task, why, now);
        }
        outcome
    }
}

#[cfg(test)]
mod tests;
