//! What several programs of the laboratory have in common.
//!
//! - [`Crew`]: workers, each a thread or a process.
//! - [`Common`]: a value that they all have.
//! - [`Histogram`]: how often something took how long.

mod common;
mod crew;
mod histogram;

pub use common::Common;
pub use crew::Crew;
pub use histogram::Histogram;
