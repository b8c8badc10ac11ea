//! What a scheduling policy is.

use alloc::boxed::Box;

use super::priority::Priority;
use super::round_robin::RoundRobin;

/// Levels of priority, 0 the lowest.
pub const LEVELS: usize = 8;

/// What a policy knows of a task.
pub trait Task: Copy {
    /// Below [`LEVELS`].
    fn priority(&self) -> usize;
    /// Whether it may run on processor `cpu`.
    fn may_run_on(&self, cpu: usize) -> bool;
}

/// Orders the tasks that wait for one processor. The mechanism ([`super`]) hands in tasks that
/// are ready, takes them out one by one, and refuses what was not handed in.
pub trait Scheduler<T: Task>: Send {
    /// `task` waits from now on.
    fn enqueue(&mut self, task: T);
    /// Takes out the task that is to run next.
    fn pick_next(&mut self) -> Option<T>;
    /// Takes out a task that another processor, `cpu`, may run at once.
    fn steal(&mut self, cpu: usize) -> Option<T>;
    /// Whether a task that waits should run at once, in place of `running`.
    fn preempts(&self, running: T) -> bool;
}

/// A policy as it is chosen by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// [`RoundRobin`].
    RoundRobin,
    /// [`Priority`].
    Priority,
}

impl Policy {
    /// All of them, the default first.
    pub const ALL: [Self; 2] = [Self::RoundRobin, Self::Priority];

    /// As it stands on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::RoundRobin => "round-robin",
            Self::Priority => "priority",
        }
    }

    /// The policy of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }

    /// Whether [`Scheduler::preempts`] is ever true, so that a processor has to look when a task
    /// comes into its queue.
    pub fn is_preemptive(self) -> bool {
        self == Self::Priority
    }

    /// A queue without tasks.
    pub fn make<T: Task + Send + 'static>(self) -> Box<dyn Scheduler<T>> {
        match self {
            Self::RoundRobin => Box::new(RoundRobin::new()),
            Self::Priority => Box::new(Priority::new()),
        }
    }
}
