//! What the programs of `hostel lab` have in common.
//!
//! - [`scheduler`]: a policy for as long as a program wants it.
//! - [`processor`]: work that is a length of processor time.
//! - [`job`]: what a job is and what becomes of it; [`jobs`] has several done.
//! - [`turns`]: who ran when, for a Gantt chart.

pub mod job;
pub mod jobs;
pub mod processor;
pub mod scheduler;
pub mod turns;
