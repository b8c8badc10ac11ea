//! What the guest kernel, its programs and the host agree on, and nothing else.
//!
//! - [`syscall`]: numbers, errors and argument structures between a program and the kernel.
//! - [`record`]: the results that leave the guest, as JSON text sequences in its console stream.
//! - [`confine`]: pages of a program that have a budget of frames and a policy of their own.
//! - [`metric`]: what the host looks at among a check's figures.
//! - [`port`]: the IO ports of Hostel's own, through which the guest marks points in time and ends.
//! - [`alarm`]: a device that interrupts at a known time.
//! - [`clock`]: a page by which programs tell the time.
//! - [`hypercall`]: a page of requests that takes one exit.
//! - [`buckets`]: few places to count values of any size in.
//! - [`latency`]: how programs that measure count how long operations took.
//! - [`balloon`]: files by which a program has free memory given to the host.
//! - [`net`]: frames between a program and the driver of a network card.
//! - [`net_window`]: memory in which a program and that driver share them.
//! - [`net_header`]: what is left to be done to such a frame.
//! - [`peer`]: what programs that measure a network and its other end say.
//! - [`peer_tcp`]: what they say by TCP.
//! - [`image`]: names and options of the built-in guest: initrd members, kernel parameters.
//!
//! Data flows from the guest to the host only: a program writes a [`record::Record`] with
//! `Display` (no heap needed), the console carries it, the host takes it out of the stream with
//! `record::Parsed` (feature `host`).
#![cfg_attr(not(any(test, feature = "host")), no_std)]

#[macro_use]
mod numbered;

pub mod alarm;
pub mod balloon;
pub mod buckets;
pub mod clock;
pub mod confine;
pub mod hypercall;
pub mod image;
pub mod latency;
pub mod metric;
pub mod net;
pub mod net_header;
pub mod net_window;
pub mod peer;
pub mod peer_tcp;
pub mod port;
pub mod record;
pub mod signal;
pub mod syscall;
