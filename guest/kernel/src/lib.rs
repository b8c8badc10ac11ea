//! Hostel's guest kernel: the whole of it but its entry code (`main.rs`), so that what does not
//! touch the machine is tested on the host.
//!
//! ```text
//!  programs          syscall          page fault       timer, device
//!  ─────────────────────┼──────────────────┼─────────────────┼───────────── ring 3
//!                       v                  v                 v                  0
//!  arch::trap     syscall::dispatch  process::page_fault   irq, sched::timer_interrupt
//!                       │                  │                 │
//!  process    files, futexes,              │            wakes a WaitQueue
//!             fork, exec, exit, wait       │                 │
//!                 │        │               v                 v
//!   ipc <─────────┤        └────────> mm::space         sched: run queues, policy
//!   pipes, queues v                   areas, faults,      ^
//!   sockets   drivers                 eviction            │ waits for
//!             16550, IDE, clocks, <──── swap              │ the device
//!             e1000, NE2000, hypercalls,                  │
//!             virtio: blk, console, rng, balloon ─────────┘
//! ```
//!
//! From start to end:
//! 1. `entry` (`image/entry.rs`) turns paging on with tables that the assembler has filled in.
//! 2. [`start()`] takes what the loader left ([`boot`], [`cmdline`]), brings up [`mm`], the
//!    processor's own matters ([`arch`]), [`sched`] and the console ([`drivers`]), makes the first
//!    process of a program ([`elf`]) of the [`initrd`], and starts the other processors.
//! 3. From then on the kernel runs when it is called: every way in and out is in [`arch::trap`].
//!    It is not preempted; interrupts are off in it, but for the idle loop.
//! 4. It ends with the first process, or by a [`panic`](mod@panic).
//!
//! A thread is a [`sched::Thread`] with a kernel stack; the number of the processor that is on a
//! stack lies at its top, which is how code finds what is its processor's ([`sync::CpuLocal`]).
//! Threads, processes and their locks live for ever and are used again, so plain references name
//! them.
//!
//! # Software KVM
//! There ring 3 runs natively and ring 0 is interpreted: each instruction here costs up to a
//! microsecond. Hence tables filled in by the assembler and at compile time, work put off until
//! somebody needs it, and no loops over memory. Two things are different there besides:
//! - `syscall` may arrive as a page fault of ring 3 at the kernel's own entry point: see
//!   [`arch::trap`].
//! - CR0.TS may not make ring 3 trap: see [`arch::fpu`].
#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod arch;
pub mod boot;
pub mod cmdline;
mod console;
mod crash;
pub mod drivers;
pub mod elf;
pub mod initrd;
pub mod ipc;
pub mod irq;
mod machine;
pub mod mm;
pub mod panic;
mod process;
pub mod sched;
mod start;
pub mod sync;
mod syscall;
pub mod time;

pub use start::start;
