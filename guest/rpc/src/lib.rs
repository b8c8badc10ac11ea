//! Remote procedure calls: interfaces described once, with a stub for the client and a skeleton for the
//! server made of the description; over whatever carries messages.
//!
//! ```text
//!  caller ─> Stub ─> Client ──request──> Transport ──> Server ─> Skeleton ─> procedure
//!                      │  ^                              │ cache of replies
//!                      │  └──────────reply───────────────┘
//!                      └ asks again when no reply comes in time
//! ```
//! - [`rpc!`](crate::rpc!) describes an interface; [`marshal`] is how arguments and results become bytes.
//! - [`message`] is what goes over a [`Transport`]: a header, then those bytes.
//! - [`Client`] numbers its requests and asks again; [`Server`] answers. By [`Semantics`] a request that
//!   comes again is executed again, or answered from the `cache`.
//! - [`Lossy`] is a transport that loses and duplicates what it is to send, for trying that out.
//!
//! The design is that of Birrell and Nelson, Implementing Remote Procedure Calls, 1984: a client has one
//! call under way at a time, a call number tells repetitions from new calls, and the reply of the
//! last call of each client is kept. What comes over a transport is not trusted.
#![cfg_attr(not(test), no_std)]

pub extern crate alloc;

mod cache;
mod client;
mod interface;
mod lossy;
pub mod marshal;
pub mod message;
mod server;
#[cfg(test)]
mod tests;
mod transport;

pub use client::{CallError, Client, ClientCounts, Settings};
pub use lossy::{Faults, Lossy};
pub use marshal::{Malformed, Marshal, Reader};
pub use message::{Semantics, Status};
pub use server::{Server, ServerCounts, Service};
pub use transport::{Fault, Transport};
