//! Threads that the kernel does not know: user threads, which kernel threads, their carriers, carry
//! by turns. With one carrier this is many-to-one, with several many-to-many.
//!
//! ```text
//!  carrier: takes a thread from the queue ──switch──> thread runs on its own stack
//!     ^     puts it back, or ends it      <──switch── yields, or is done
//! ```
//! A thread that makes a blocking call blocks its carrier, and all that it might carry meanwhile.
#![expect(
    unsafe_code,
    reason = "a user thread runs on a stack of its own, which is made and switched to by hand"
)]

mod switch;

use super::mailbox::Mailbox;
use crate::mapping::Mapping;
use abi::syscall::{Errno, Protection};
use alloc::boxed::Box;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Pages of a stack, and a guard page.
const STACK_PAGES: usize = 8;

type Body = Box<dyn FnOnce(&Me) + Send>;

/// A user thread that does not run. It does not move, as its own stack names it.
struct Green {
    /// Where it goes on, on its stack.
    own: usize,
    /// Where the carrier goes on that carries it.
    carrier: usize,
    body: Option<Body>,
    is_done: bool,
    _stack: Mapping,
}

// SAFETY: one carrier has it at a time, and what it consists of may go from one to another: the body
// is `Send`, the rest are numbers and memory.
unsafe impl Send for Green {}

/// The thread that runs, as it sees itself.
pub struct Me {
    green: *mut Green,
}

impl Me {
    /// Lets the carrier carry others.
    pub fn yield_now(&self) {
        // SAFETY: the thread runs, so the carrier that switched to it waits at `carrier`, and `own` is
        // where it will go on; nobody else has the thread.
        unsafe { switch::switch(&raw mut (*self.green).own, (*self.green).carrier) };
    }
}

/// User threads and those who carry them.
pub struct Runtime {
    ready: Mailbox<Option<Box<Green>>>,
    /// Threads that have not ended.
    left: AtomicUsize,
    carriers: usize,
}

impl Runtime {
    /// Without threads; so many kernel threads are going to call [`Self::carry`].
    pub const fn new(carriers: usize) -> Self {
        Self {
            ready: Mailbox::new(),
            left: AtomicUsize::new(0),
            carriers,
        }
    }

    /// A user thread that does `body`. All are made before they are carried.
    pub fn spawn(&self, body: impl FnOnce(&Me) + Send + 'static) -> Result<(), Errno> {
        let stack = Mapping::new(STACK_PAGES + 1, Protection::ReadWrite)?;
        stack.protect(0, 1, Protection::None)?;
        let top = stack.end();
        let mut green = Box::new(Green {
            own: 0,
            carrier: 0,
            body: Some(Box::new(body)),
            is_done: false,
            _stack: stack,
        });
        // SAFETY: the stack is mapped up to `top`, a page's end, and nobody runs on it.
        green.own = unsafe { switch::prepare(top, enter, (&raw mut *green).expose_provenance()) };
        self.left.fetch_add(1, Ordering::Relaxed);
        self.ready.put(Some(green));
        Ok(())
    }

    /// Carries threads until all have ended.
    pub fn carry(&self) {
        while let Some(mut green) = self.ready.take() {
            // SAFETY: `own` was left by `prepare`, or by the thread when it yielded last; the box keeps
            // its stack, and `carrier` is where this goes on.
            unsafe { switch::switch(&raw mut green.carrier, green.own) };
            if !green.is_done {
                self.ready.put(Some(green));
            } else if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                (0..self.carriers).for_each(|_| self.ready.put(None));
            }
        }
    }
}

/// Where a thread begins, on its own stack.
extern "C" fn enter(green: usize) -> ! {
    let green: *mut Green = core::ptr::with_exposed_provenance_mut(green);
    let me = Me { green };
    // SAFETY: `spawn` gave the address of the box that this is the stack of; its carrier has it, and
    // touches it only when this has switched back.
    if let Some(body) = unsafe { (*green).body.take() } {
        body(&me);
    }
    // SAFETY: as above.
    unsafe { (*green).is_done = true };
    loop {
        me.yield_now();
    }
}
