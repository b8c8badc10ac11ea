//! What the programs of `hostel lab` (`lab_*`) have in common.
//!
//! - [`scheduler`]: a policy for as long as a program wants it.
//! - [`processor`]: work that is a length of processor time.
//! - [`job`]: what a job is and what becomes of it; [`jobs`] has several done.
//! - [`turns`]: who ran when, for a Gantt chart.
//! - [`confined`]: pages with a budget of frames and a replacement policy of their own.
//! - [`random`]: numbers by lot, the same for the same seed.
//! - [`workload`]: programs by which pages are used.

pub mod confined;
pub mod job;
pub mod jobs;
pub mod processor;
pub mod random;
pub mod scheduler;
pub mod turns;
pub mod workload;
