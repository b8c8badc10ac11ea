//! What the programs of `hostel lab` (`lab_*`) have in common.
//!
//! - [`scheduler`]: a policy for as long as a program wants it.
//! - [`processor`]: work that is a length of processor time.
//! - [`job`]: what a job is and what becomes of it; [`jobs`] has several done.
//! - [`mix`]: threads that compute and wait for devices, until the time is over.
//! - [`mailbox`]: things that threads hand to one another; [`orders`]: patterns of threads that do.
//! - [`green`]: threads that the kernel does not know.
//! - [`server`]: servers of several kinds for the same requests.
//! - [`turns`]: who ran when, for a Gantt chart.
//! - [`Crew`]: workers, each a thread or a process; [`Common`]: a value that they all have.
//! - [`Histogram`]: how often something took how long.
//! - [`problems`]: the classic problems of synchronisation.
//! - [`deadlock`]: scenes for its policies.
//! - [`signals`]: scenes of handlers, masks and queues.
//! - [`confined`]: pages with a budget of frames and a replacement policy of their own.
//! - [`pool`]: frames that processes share.
//! - [`calls`]: remote procedure calls, and what is counted of them.
//! - [`objects`]: objects of a kernel, from its allocators.
//! - [`random`]: numbers by lot, the same for the same seed.
//! - [`walk`]: accesses to memory that wait for each other.
//! - [`workload`]: programs by which pages are used.

pub mod calls;
mod common;
pub mod confined;
mod crew;
pub mod deadlock;
pub mod green;
mod histogram;
pub mod job;
pub mod jobs;
pub mod mailbox;
pub mod mix;
pub mod objects;
pub mod orders;
pub mod pool;
pub mod problems;
pub mod processor;
pub mod random;
pub mod scheduler;
pub mod server;
pub mod signals;
pub mod turns;
pub mod walk;
pub mod workload;

pub use common::Common;
pub use crew::Crew;
pub use histogram::Histogram;
