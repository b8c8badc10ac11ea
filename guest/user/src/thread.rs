//! Threads of this process: a closure, its stack and its result.
#![expect(unsafe_code, reason = "a new thread starts from raw pointers")]

use crate::mapping::Mapping;
use crate::sys::{self, Tid};
use abi::syscall::{Errno, Protection};
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::cell::UnsafeCell;

const STACK_PAGES: usize = 16;

/// Where a thread leaves its result.
struct Packet<T>(UnsafeCell<Option<T>>);

// SAFETY: the thread alone touches the packet until it has ended, and after that its joiner.
unsafe impl<T: Send> Sync for Packet<T> {}

/// A thread that can be waited for.
///
/// A handle that is dropped leaves its thread running and its stack mapped.
pub struct JoinHandle<T> {
    tid: Tid,
    packet: Arc<Packet<T>>,
    stack: core::mem::ManuallyDrop<Mapping>,
}

impl<T> JoinHandle<T> {
    /// Its number.
    pub fn tid(&self) -> Tid {
        self.tid
    }

    /// Waits for the thread to end; its result.
    pub fn join(self) -> Result<T, Errno> {
        sys::thread_join(self.tid)?;
        drop(core::mem::ManuallyDrop::into_inner(self.stack));
        // SAFETY: the thread has ended, and this was the only handle to it.
        unsafe { (*self.packet.0.get()).take() }.ok_or(Errno::Srch)
    }
}

type Body = Box<dyn FnOnce() + Send>;

/// Runs `body` in a thread of its own, on a stack of 16 pages with a guard page below.
pub fn spawn<T, F>(body: F) -> Result<JoinHandle<T>, Errno>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let stack = Mapping::new(STACK_PAGES + 1, Protection::ReadWrite)?;
    stack.protect(0, 1, Protection::None)?;
    let packet = Arc::new(Packet(UnsafeCell::new(None)));
    let theirs = Arc::clone(&packet);
    let body: Body = Box::new(move || {
        let result = body();
        // SAFETY: only this thread touches the packet before it has ended.
        unsafe { *theirs.0.get() = Some(result) };
    });
    let argument = Box::into_raw(Box::new(body));
    // At a function's entry the stack is 8 below a multiple of 16, as if it had been called.
    let stack_top = stack.end() - 8;
    // SAFETY: `enter` takes such a box; the stack stays mapped until the thread was joined.
    match unsafe { sys::thread_spawn(enter, stack_top, argument.expose_provenance()) } {
        Ok(tid) => Ok(JoinHandle {
            tid,
            packet,
            stack: core::mem::ManuallyDrop::new(stack),
        }),
        Err(errno) => {
            // SAFETY: no thread has taken the box.
            drop(unsafe { Box::from_raw(argument) });
            Err(errno)
        }
    }
}

extern "C" fn enter(argument: usize) -> ! {
    let body: *mut Body = core::ptr::with_exposed_provenance_mut(argument);
    // SAFETY: `spawn` made it of a box, for this thread alone.
    let body = unsafe { Box::from_raw(body) };
    body();
    sys::thread_exit()
}
