//! Signals: handlers, masks, sending.
//!
//! The kernel lets a thread go on at `signal_entry`, with its registers on the stack. That keeps the
//! registers that the kernel does not know there, those of the FPU besides, calls the handler, and goes
//! back by [`Sysno::SignalReturn`](abi::syscall::Sysno::SignalReturn).
#![expect(unsafe_code, reason = "the entry code")]

use core::arch::{asm, global_asm};

use abi::signal::{DEFAULT, IGNORE, SignalFrame};
use abi::syscall::{Errno, Sysno};

use crate::sys;

/// Is called with a signal's number and value, in the middle of anything: it uses atomics, and takes no
/// lock that the thread may hold.
pub type Handler = extern "C" fn(number: u64, value: u64);

global_asm!(
    ".globl signal_entry",
    "signal_entry:",
    "mov [rsp], r15",
    "mov [rsp + 8], r14",
    "mov [rsp + 16], r13",
    "mov [rsp + 24], r12",
    "mov [rsp + 32], rbp",
    "mov [rsp + 40], rbx",
    "mov rbx, rsp",
    "sub rsp, 512",
    "fxsave64 [rsp]",
    "call rdx",
    "fxrstor64 [rsp]",
    "mov rdi, rbx",
    "mov eax, {return_number}",
    "syscall",
    "ud2",
    return_number = const Sysno::SignalReturn as u64,
);

/// Lets `handler` take signal `number`, with the set `mask` held back meanwhile, besides the signal.
pub fn handle(number: u64, mask: u64, handler: Handler) -> Result<(), Errno> {
    unsafe extern "C" {
        safe static signal_entry: u8;
    }
    let handler = (handler as *const ()).addr() as u64;
    let entry = (&raw const signal_entry).addr() as u64;
    // SAFETY: the entry code above, and a handler of its kind.
    unsafe { sys::signal_action(number, handler, entry, mask) }.map(drop)
}

/// Lets signal `number` come to nothing.
pub fn ignore(number: u64) -> Result<(), Errno> {
    // SAFETY: nothing is called.
    unsafe { sys::signal_action(number, IGNORE, 0, 0) }.map(drop)
}

/// Lets signal `number` do what it does by itself.
pub fn reset(number: u64) -> Result<(), Errno> {
    // SAFETY: nothing is called.
    unsafe { sys::signal_action(number, DEFAULT, 0, 0) }.map(drop)
}

/// Asks for a handler at an address of the kernel's: what that says.
pub fn handle_in_kernel(number: u64) -> Result<(), Errno> {
    // SAFETY: the program does not get there, whatever the kernel says.
    unsafe { sys::signal_action(number, KERNEL, KERNEL, 0) }.map(drop)
}

/// An address of the kernel's.
const KERNEL: u64 = 0xffff_ffff_8000_0000;

/// Frames to return by that no handler has been called with.
#[derive(Clone, Copy, Debug)]
pub enum Wild {
    /// At address 0, where nothing is.
    Nowhere,
    /// In the kernel's memory.
    InKernel,
    /// One that leads to the kernel's code.
    ToKernel,
    /// One with all flags set and a stack that is none, that leads to a place which ends the process with
    /// this code.
    ToExit(u64),
}

/// Goes back by such a frame, if the kernel lets it: why not.
pub fn return_by(wild: Wild) -> Errno {
    let frame = match wild {
        Wild::ToKernel => SignalFrame {
            rip: KERNEL,
            ..SignalFrame::default()
        },
        Wild::ToExit(code) => SignalFrame {
            rip: (exit_with as *const ()).addr() as u64,
            rdi: code,
            rflags: !TRAP,
            rsp: KERNEL,
            mask: u64::MAX,
            ..SignalFrame::default()
        },
        Wild::Nowhere | Wild::InKernel => SignalFrame::default(),
    };
    let address = match wild {
        Wild::Nowhere => 0,
        Wild::InKernel => KERNEL,
        Wild::ToKernel | Wild::ToExit(_) => (&raw const frame).addr() as u64,
    };
    // SAFETY: there is no frame, or one that leads to the kernel, which is no place of the program's, or
    // to the function below.
    unsafe { sys::signal_return(address) }
}

/// The flag that would have each instruction trap.
const TRAP: u64 = 1 << 8;

/// Ends the process, without a stack.
#[unsafe(naked)]
extern "C" fn exit_with(code: u64) -> ! {
    core::arch::naked_asm!("mov eax, {exit}", "syscall", "ud2", exit = const Sysno::Exit as u64)
}

/// Waits in ring 3 for ever, with a stack that is none.
pub fn wait_without_stack() -> ! {
    // SAFETY: nothing is called or returned to from there.
    unsafe { asm!("mov rsp, {}", "2: pause", "jmp 2b", in(reg) KERNEL, options(noreturn)) }
}
