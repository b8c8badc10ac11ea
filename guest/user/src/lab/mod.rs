//! What several programs of the laboratory have in common.
//!
//! - [`Crew`]: workers, each a thread or a process.
//! - [`Common`]: a value that they all have.
//! - [`Histogram`]: how often something took how long.
//! - [`problems`]: the classic problems of synchronisation.
//! - [`deadlock`]: scenes for its policies.

mod common;
mod crew;
pub mod deadlock;
mod histogram;
pub mod problems;

pub use common::Common;
pub use crew::Crew;
pub use histogram::Histogram;
pub use problems::Job;
