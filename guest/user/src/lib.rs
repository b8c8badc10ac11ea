//! Runtime of the programs that Hostel's guest kernel runs in ring 3.
//!
//! A program is one file of `src/bin`, a member `bin/NAME` of the initrd: it says
//! `user::program!(main)` or, when it is a check of a suite, `user::check!(run)`, and is safe code
//! from there on.
//!
//! ```text
//!  kernel ──> bin/init ──reads──> suite: ID SUBSYSTEM TIMEOUT_MS PROGRAM [ARGUMENT]...
//!                │ fork, exec, wait, for one line after the other
//!                v
//!             a check: start ─> main ─> check::run ─> fn run(&mut Check) -> Verdict
//!                                           │ metrics, verdict
//!                                           v
//!                                   one record (abi::record) on standard output, for the host
//! ```
//! `init` writes the record of a check that ends without one. `echo`, `hello`, `net_late`, `net_window` and
//! `spin` are no checks: `init=bin/echo` on the kernel's command line is a way to try the console.
//!
//! What a program stands on:
//!
//! - [`start`]: the entry point, arguments and the panic handler; `routines`: what compiled code
//!   calls without saying so (`memcpy` and its like).
//! - [`sys`]: one function for each system call, with typed results.
//! - [`file`], [`process`], [`thread`], [`sync`], [`signal`], [`time`], [`mapping`]: the same as things with
//!   an owner. `heap` makes `alloc` usable.
//! - [`ipc`]: communication with other processes.
//! - [`net`]: frames to and from a network card, copied or in memory that is shared with its driver.
//! - [`pattern`]: bytes for streams that the host checks.
//! - [`check`]: how a check measures, judges and reports.
//! - [`work`]: how the programs of `hostel compare` say what they measured; [`team`]: work that several
//!   threads do at once.
//! - [`lab`]: what the programs of `hostel lab` (`lab_*`) have in common.
//! - [`fpu`], [`wild`]: what only assembly can do, for the checks about it.
//!
//! All of it runs in ring 3, natively on any host: the work of an experiment belongs here, and a
//! system call costs some microseconds and more.
#![no_std]

pub extern crate alloc;

#[macro_use]
pub mod file;
#[macro_use]
pub mod start;
#[macro_use]
pub mod check;
pub mod fpu;
mod heap;
pub mod ipc;
pub mod lab;
pub mod mapping;
pub mod net;
pub mod pattern;
pub mod process;
mod routines;
pub mod signal;
pub mod sync;
pub mod sys;
pub mod team;
pub mod thread;
pub mod time;
pub mod wild;
pub mod work;

pub use abi;
