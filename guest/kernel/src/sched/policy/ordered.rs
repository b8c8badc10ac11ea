//! Tasks in the order of a number, equals in the order in which they came.

use alloc::vec::Vec;

use super::Task;

/// A queue by keys. Whoever has the lowest is last in the list, where taking it out is cheap.
pub(super) struct Ordered<T> {
    tasks: Vec<(u64, T)>,
}

impl<T: Task> Ordered<T> {
    /// An empty queue.
    pub(super) const fn new() -> Self {
        Self { tasks: Vec::new() }
    }

    /// Puts `task` behind all whose key is `key` or lower.
    pub(super) fn insert(&mut self, key: u64, task: T) {
        let index = self.tasks.partition_point(|(other, _)| *other > key);
        self.tasks.insert(index, (key, task));
    }

    /// The lowest key.
    pub(super) fn lowest(&self) -> Option<u64> {
        self.tasks.last().map(|(key, _)| *key)
    }

    /// Takes out the task of the lowest key.
    pub(super) fn pop(&mut self) -> Option<(u64, T)> {
        self.tasks.pop()
    }

    /// Takes out the first task that may run on `cpu`.
    pub(super) fn steal(&mut self, cpu: usize) -> Option<T> {
        let index = self
            .tasks
            .iter()
            .rposition(|(_, task)| task.may_run_on(cpu))?;
        Some(self.tasks.remove(index).1)
    }
}
