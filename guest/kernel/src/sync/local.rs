//! One value a processor.

use crate::arch::{MAX_CPUS, cpu_id};

/// A value of which every processor has its own. Meant for `Cell`s and atomics.
pub struct CpuLocal<T>([T; MAX_CPUS]);

// SAFETY: `get` hands each processor its own element, and a thread is not moved to another
// processor while it holds the reference: the kernel is not preempted, and nothing keeps such a
// reference across `sched::schedule`. Elements of other processors are reached by `on` only,
// which asks for `T: Sync`.
unsafe impl<T: Send> Sync for CpuLocal<T> {}

impl<T> CpuLocal<T> {
    /// The values, processor 0's first.
    pub const fn new(values: [T; MAX_CPUS]) -> Self {
        Self(values)
    }

    /// This processor's. Not to be kept across a switch to another thread.
    #[inline]
    pub fn get(&self) -> &T {
        // SAFETY: the number of a processor is below MAX_CPUS: `smp` starts no other.
        unsafe { self.0.get_unchecked(cpu_id() as usize) }
    }
}

impl<T: Sync> CpuLocal<T> {
    /// That of processor `cpu`.
    pub fn on(&self, cpu: usize) -> &T {
        &self.0[cpu]
    }

    /// Those of all processors.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}
