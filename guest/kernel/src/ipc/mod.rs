//! Communication between processes: what carries bytes from one to another by way of the kernel.
//!
//! - [`Pipe`]: a stream of bytes one way, through a ring of the kernel's (`ring`).
//! - [`Queue`]: messages with priorities.
//! - [`Socket`], [`Listener`]: streams both ways, each made of two pipes, and where they begin.
//! - [`Names`]: by which processes that are no relatives find the same thing.
//!
//! Each crosses the kernel with two copies: from the sender's memory into the kernel's and from there
//! into the receiver's. Shared memory needs none, and is [`crate::mm::object`].

mod names;
mod pipe;
mod queue;
mod ring;
mod socket;

pub use names::{MAX_NAME, Named, Names};
pub use pipe::{PIPE_BYTES, Pipe};
pub use queue::{Message, Queue};
pub use socket::{Listener, Socket};
