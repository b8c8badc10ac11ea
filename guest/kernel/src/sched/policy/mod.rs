//! What a scheduling policy is, and the list of them.
//!
//! A policy is one file here and one line of the list below. It orders tasks that wait for a
//! processor and is told why each of them does; what it needs to remember of a task is in the
//! task's [`Note`]. Time is in ticks of the time-stamp counter: reading it costs nothing more.

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod known_by;
mod ordered;
#[cfg(test)]
pub(crate) mod testing;

use alloc::boxed::Box;

use ordered::Ordered;

/// Levels of priority, 0 the lowest.
pub const LEVELS: usize = 8;

/// Weight of a task that nobody has given another.
pub const USUAL_WEIGHT: u64 = 100;

/// Why a task waits for a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It has not run yet under this policy; its note is empty.
    New,
    /// What it waited for has come.
    Woken,
    /// It lets others run.
    Yielded,
    /// Its slice is over.
    SliceEnded,
    /// Another one is to run at once.
    Preempted,
}

/// What a policy remembers of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Note {
    /// What it has worked out: a level, a prediction, a virtual time.
    pub value: u64,
    /// The task's processor time when it did.
    pub ran: u64,
}

/// What a policy knows of a task.
pub trait Task: Copy {
    /// Below [`LEVELS`].
    fn priority(&self) -> usize;
    /// Whether it may run on processor `cpu`.
    fn may_run_on(&self, cpu: usize) -> bool;
    /// How much processor time it is to have, compared with others: its tickets. Not 0.
    fn weight(&self) -> u64;
    /// How much processor time it needs until it waits, as it has declared.
    fn declared(&self) -> Option<u64>;
    /// What is left of that.
    fn remaining(&self) -> Option<u64>;
    /// When it has to be done, as it has declared: a time of the counter.
    fn deadline(&self) -> Option<u64>;
    /// Processor time that it has had.
    fn ran(&self) -> u64;
    /// What the policy has noted.
    fn note(&self) -> Note;
    /// Notes something else.
    fn set_note(&self, note: Note);
}

/// How long a task may run while others wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slice {
    /// As long as is set for all.
    Usual,
    /// Until it waits.
    Whole,
    /// So many times as long as is set, which [`Scheduler::slices`] tells of each task.
    Several,
}

/// What the mechanism need not ask each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long a task may run.
    pub slice: Slice,
    /// Whether [`Scheduler::preempts`] is ever true, so that a processor has to look when a task
    /// comes into its queue.
    pub preempts: bool,
}

/// Orders the tasks that wait for one processor. The mechanism (`sched::checked`) hands in tasks
/// that are ready, takes them out one by one, and refuses what was not handed in.
pub trait Scheduler<T: Task>: Send {
    /// What holds for all tasks.
    fn rules(&self) -> Rules;
    /// `task` waits from `now` on.
    fn enqueue(&mut self, task: T, why: Why, now: u64);
    /// Takes out the task that is to run next.
    fn pick_next(&mut self, now: u64) -> Option<T>;
    /// Takes out a task that another processor, `cpu`, may run at once.
    fn steal(&mut self, cpu: usize) -> Option<T>;
    /// Whether a task that waits should run at once, in place of `running`.
    fn preempts(&self, _running: T, _now: u64) -> bool {
        false
    }
    /// How many usual slices `task` may run for.
    fn slices(&self, _task: T) -> u64 {
        1
    }
}

/// Declares the policies: file, type, and name on the command line. The first is the default.
macro_rules! policies {
    ($($file:ident $name:ident $text:literal)*) => {
        $(mod $file;)*

        /// A policy as it is chosen by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Policy {
            $(#[doc = concat!("`", $text, "`")] $name,)*
        }

        impl Policy {
            /// All of them, the default first.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// As it stands on the command line.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// A queue without tasks, for slices of so many ticks.
            pub fn make<T: Task + Send + 'static>(self, slice: u64) -> Box<dyn Scheduler<T>> {
                match self { $(Self::$name => Box::new($file::$name::new(slice)),)* }
            }
        }
    };
}

policies! {
    round_robin RoundRobin "round-robin"
    priority Priority "priority"
    priority_aging PriorityAging "priority-aging"
    fcfs Fcfs "fcfs"
    sjf Sjf "sjf"
    srtf Srtf "srtf"
    mlfq Mlfq "mlfq"
    lottery Lottery "lottery"
    stride Stride "stride"
    cfs Cfs "cfs"
    edf Edf "edf"
}

impl Policy {
    /// The policy of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|policy| policy.name() == name)
    }
}
