//! Switching from one kernel thread to another.

use core::arch::global_asm;
use core::sync::atomic::{AtomicU64, Ordering};

use super::stack::{STACK_ALIGN, Stack};
use super::trap::{self, TrapFrame};
use super::{cpu, cpu_id};
use crate::mm::PhysAddr;

/// Where a kernel thread that is not running goes on: its stack, and the stack pointer in it.
pub struct Context {
    stack: Stack,
    rsp: AtomicU64,
}

/// Registers that `switch_stacks` pops.
const SAVED_REGISTERS: u64 = 6;

impl Context {
    /// A thread on `stack` that has yet to be given something to do, or is running there now.
    pub fn new(stack: Stack) -> Self {
        Self {
            stack,
            rsp: AtomicU64::new(0),
        }
    }

    /// Lets the thread enter ring 3 with `registers` when it is switched to. It must not run.
    pub fn enter_user(&self, registers: TrapFrame) {
        unsafe extern "C" {
            safe static thread_entry: u8;
        }
        let frame = self.stack.top() - size_of::<TrapFrame>() as u64;
        let entry = frame - 8;
        let rsp = entry - SAVED_REGISTERS * 8;
        // SAFETY: within a mapped stack that nobody runs on. `switch_stacks` pops six registers,
        // of any value, and returns to `thread_entry`, which expects the frame above.
        unsafe {
            (frame as *mut TrapFrame).write(registers);
            (entry as *mut u64).write(&raw const thread_entry as u64);
        }
        self.rsp.store(rsp, Ordering::Relaxed);
    }

    /// Whether `address` is on the thread's stack.
    pub fn has_on_stack(&self, address: u64) -> bool {
        self.stack.contains(address)
    }
}

/// Leaves `from`, which is running, and goes on with `to` where it was left; returns when
/// `from` is switched to again, maybe on another processor.
///
/// `to` must not be running anywhere: the scheduler waits for that.
pub fn switch_context(from: &Context, to: &Context) {
    debug_assert!(
        from.stack == Stack::current(),
        "only the running thread is switched from"
    );
    to.stack.set_cpu(cpu_id());
    trap::set_kernel_stack(to.stack.top());
    let rsp = to.rsp.load(Ordering::Relaxed);
    assert!(
        rsp >= to.stack.top() - STACK_ALIGN,
        "switched to a thread with nothing to do"
    );
    // SAFETY: `rsp` was stored by `enter_user` or by an earlier switch away from `to`.
    unsafe { switch_stacks(&from.rsp, rsp) };
}

/// Makes this processor see the user addresses of `root`.
pub fn use_page_table(root: PhysAddr) {
    if cpu::page_table() != root {
        cpu::set_page_table(root);
    }
}

unsafe extern "C" {
    /// Pushes what Rust keeps, stores rsp to `from`, loads `to` and pops.
    fn switch_stacks(from: &AtomicU64, to: u64);
}

global_asm!(
    "switch_stacks:",
    "push rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "mov [rdi], rsp",
    "mov rsp, rsi",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    "ret",
);
