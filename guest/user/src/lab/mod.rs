//! What programs of the laboratory (`lab_*`) share.
//!
//! - [`confined`]: pages with a budget of frames and a replacement policy of their own.
//! - [`pool`]: frames that processes share.
//! - [`random`]: numbers by lot, the same for the same seed.
//! - [`workload`]: programs by which pages are used.

pub mod confined;
pub mod pool;
pub mod random;
pub mod workload;
