//! Signals: numbers, what a process says to do with one, and what lies on a handler's stack.
//!
//! Ordinary signals, below [`FIRST_REAL_TIME`], are pending once or not at all: the same one again is
//! merged. Real-time ones, from there to [`LAST`], queue, each with its value, and come in the order of
//! their numbers, those of one number in the order in which they were sent (POSIX.1-2017, 2.4.2).

/// Ends a process whatever it has said.
pub const KILL: u64 = 9;
/// For programs' own use.
pub const USER_1: u64 = 10;
/// The same.
pub const USER_2: u64 = 12;
/// Asks a process to end.
pub const TERMINATE: u64 = 15;
/// Is ignored unless a handler was set.
pub const CHILD: u64 = 17;
/// The first real-time signal.
pub const FIRST_REAL_TIME: u64 = 32;
/// The last signal. Sets of signals have a bit for each, by number; a result of a system call is one.
pub const LAST: u64 = 60;
/// Most real-time signals that a process has pending.
pub const MOST_QUEUED: usize = 64;

/// Handler: what the signal does by itself.
pub const DEFAULT: u64 = 0;
/// Handler: nothing.
pub const IGNORE: u64 = 1;

/// The set of one signal.
pub const fn bit(number: u64) -> u64 {
    1 << number
}

numbered! {
    /// How a mask changes.
    MaskChange: u64 {
        /// It becomes the set.
        Set = 0,
        /// The set is held back, too.
        Block = 1,
        /// The set is no longer held back.
        Unblock = 2,
    }
}

/// What lies on the stack of the program when its entry code for signals begins: where it was, for
/// [`crate::syscall::Sysno::SignalReturn`]. The kernel's own part ends with `handler`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "registers by name")]
pub struct SignalFrame {
    /// The first six are for the entry code to fill in: the kernel does not know them in a system call.
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub rbp: u64,
    pub rbx: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rax: u64,
    pub rip: u64,
    pub rflags: u64,
    pub rsp: u64,
    /// The mask that comes back.
    pub mask: u64,
    /// The signal, its value, and who is to be called.
    pub number: u64,
    pub value: u64,
    pub handler: u64,
}

const _: () = assert!(size_of::<SignalFrame>() == 22 * 8);
const _: () = assert!(LAST < 63, "a set is no error code");
