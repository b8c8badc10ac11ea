//! Communication with other processes: [`Queue`], [`Socket`], [`Shared`] memory; pipes are
//! [`crate::file::File`]s. A child has from its parent what is open when it is forked. [`way`] has the
//! same transfers done by each of them.

mod frames;
pub mod hand_over;
mod queue;
pub mod rpc;
mod shared;
mod socket;
mod transfers;
pub mod way;

pub use frames::Frames;
pub use queue::Queue;
pub use shared::{InShared, Shared};
pub use socket::{Listener, Socket};
pub use transfers::cost;
