//! The ways into ring 0 and out of it.
//!
//! ```text
//! ring 3 ──interrupt, exception──> vector n ─> trap_entry ─> handle ─> trap_return ──> ring 3
//!        ──syscall──> stub of processor n ──> syscall_entry ─> handle_syscall ──┘
//! ```
//! Rust code keeps rbx, rbp and r12-r15 by itself, so a system call does not store them, but for
//! a fork, whose child needs them.
//!
//! A software KVM runs ring 3 natively and sees `syscall` only if it looks for it. Some set the
//! registers as `syscall` does (rcx, r11, rip from LSTAR) and stay in ring 3, where the first
//! fetch of the stub, a page of the kernel's, faults: a page fault of ring 3 whose rip is LSTAR.
//! It is taken for the system call it is ([`late_syscall`]). On all other hosts only a program
//! that jumps there gets it, which is a system call, too, and harms nobody.

use core::arch::global_asm;
use core::cell::UnsafeCell;

use super::descriptor::{KERNEL_CODE, USER_CODE, USER_DATA, VECTORS};
use super::{MAX_CPUS, USER_END, apic, cpu, cpu_id, fpu, ipi, pic, tlb};
use crate::sync::checker;
use crate::{irq, panic, process, sched, syscall};

/// Registers of what was interrupted, as they lie on the kernel stack.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[expect(missing_docs, reason = "registers by name")]
pub struct TrapFrame {
    /// The first six are not valid in system calls other than a fork.
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
    pub vector: u64,
    pub error: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

const _: () = assert!(
    size_of::<TrapFrame>() == 176,
    "the assembly below knows the layout"
);

/// Interrupts on, and bit 1, which is always set.
const USER_FLAGS: u64 = 0x202;

/// Of the hash function FNV-1a.
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// Flags that ring 3 sets for itself: CF, PF, AF, ZF, SF, TF, DF, OF, AC, ID.
const SETTABLE_FLAGS: u64 = 0x0024_0dd5;

impl TrapFrame {
    /// A number by which an instruction that begins anew is known: of where it is and what its
    /// registers hold. The same number by chance is as good as impossible.
    pub fn digest(&self) -> u64 {
        let registers = [
            self.rip, self.rsp, self.rax, self.rcx, self.rdx, self.rsi, self.rdi, self.r8, self.r9,
            self.r10, self.r11, self.rbx, self.rbp, self.r12, self.r13, self.r14, self.r15,
        ];
        let step = |digest: u64, register: u64| (digest ^ register).wrapping_mul(FNV_PRIME);
        registers.into_iter().fold(0, step)
    }

    /// The state in which ring 3 starts at `rip` with `rsp` and two arguments.
    pub fn user(rip: u64, rsp: u64, arguments: [u64; 2]) -> Self {
        Self {
            rdi: arguments[0],
            rsi: arguments[1],
            rip,
            rsp,
            cs: u64::from(USER_CODE),
            ss: u64::from(USER_DATA),
            rflags: USER_FLAGS,
            ..Self::default()
        }
    }

    /// Lets ring 3 go on at `rip` with `rsp`, and flags as at a program's start.
    pub fn enter(&mut self, rip: u64, rsp: u64) {
        (self.rip, self.rsp, self.rflags) = (rip, rsp, USER_FLAGS);
    }

    /// Flags as ring 3 may have them.
    pub fn set_flags(&mut self, flags: u64) {
        self.rflags = flags & SETTABLE_FLAGS | USER_FLAGS;
    }

    fn is_user(&self) -> bool {
        self.cs != u64::from(KERNEL_CODE)
    }
}

/// Where a processor finds its stack on `syscall`, which loads none.
#[repr(C)]
struct SyscallStack {
    user_rsp: UnsafeCell<u64>,
    kernel_rsp: UnsafeCell<u64>,
}

// SAFETY: each processor touches its own element only.
unsafe impl Sync for SyscallStack {}

static SYSCALL_STACKS: [SyscallStack; MAX_CPUS] = [const {
    SyscallStack {
        user_rsp: UnsafeCell::new(0),
        kernel_rsp: UnsafeCell::new(0),
    }
}; MAX_CPUS];

/// Bytes of each processor's `syscall` stub.
const SYSCALL_STUB_BYTES: u64 = 32;

/// Where `syscall` enters the kernel on processor `cpu`.
pub(super) fn syscall_entry(cpu: u32) -> u64 {
    unsafe extern "C" {
        safe static syscall_stubs: u8;
    }
    &raw const syscall_stubs as u64 + u64::from(cpu) * SYSCALL_STUB_BYTES
}

/// Sets where ring 3 enters the kernel on this processor.
pub(super) fn set_kernel_stack(top: u64) {
    super::descriptor::set_kernel_stack(top);
    // SAFETY: this processor's own element.
    unsafe { *SYSCALL_STACKS[cpu_id() as usize].kernel_rsp.get() = top };
}

global_asm!(
    // Entry code of the vectors, 16 bytes each. Exceptions that push no error code push a zero.
    ".pushsection .vectors, \"ax\"",
    ".balign 16",
    ".set vector, 0",
    ".rept {vectors}",
    ".balign 16",
    ".if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21",
    "push 0",
    ".endif",
    "push vector",
    "jmp trap_entry",
    ".set vector, vector + 1",
    ".endr",
    ".popsection",

    "trap_entry:",
    "push rax",
    "push rcx",
    "push rdx",
    "push rsi",
    "push rdi",
    "push r8",
    "push r9",
    "push r10",
    "push r11",
    "push rbx",
    "push rbp",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "cld",
    "mov rdi, rsp",
    "call {handle}",
    // How a thread enters ring 3 for the first time, and a fork's child: all registers count.
    "trap_return: add rsp, 48",
    "4: pop r11",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop rcx",
    "pop rax",
    "add rsp, 16",
    "iretq",
    ".globl thread_entry",
    "thread_entry:",
    "mov rdi, rsp",
    "call {switched}",
    "7: pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbp",
    "pop rbx",
    "jmp 4b",

    // Leaves the kernel with the frame at rdi, from wherever in it.
    ".globl leave_with",
    "leave_with: mov rsp, rdi",
    "jmp 7b",

    // `syscall`: rcx is the return address, r11 the flags, the stack the program's.
    ".balign 32",
    "syscall_stubs:",
    ".set cpu, 0",
    ".rept {cpus}",
    ".balign 32",
    "mov [rip + {stacks} + cpu * 16], rsp",
    "mov rsp, [rip + {stacks} + cpu * 16 + 8]",
    "push {user_data}",
    "push [rip + {stacks} + cpu * 16]",
    "jmp syscall_entry",
    ".set cpu, cpu + 1",
    ".endr",

    "syscall_entry:",
    "push r11",
    "push {user_code}",
    "push rcx",
    "sub rsp, 16",
    "push rax",
    "sub rsp, 8",
    "push rdx",
    "push rsi",
    "push rdi",
    "push r8",
    "push r9",
    "push r10",
    "sub rsp, 56",
    "cmp eax, {fork}",
    "je 6f",
    "5: mov rdi, rsp",
    "call {handle_syscall}",
    "add rsp, 56",
    "pop r10",
    "pop r9",
    "pop r8",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    // Lost by contract, and not to show what the kernel had in them.
    "xor ecx, ecx",
    "xor r11d, r11d",
    "add rsp, 8",
    "pop rax",
    "add rsp, 16",
    "iretq",
    "6: mov [rsp], r15",
    "mov [rsp + 8], r14",
    "mov [rsp + 16], r13",
    "mov [rsp + 24], r12",
    "mov [rsp + 32], rbp",
    "mov [rsp + 40], rbx",
    "jmp 5b",
    vectors = const VECTORS,
    handle = sym handle,
    handle_syscall = sym handle_syscall,
    switched = sym switched,
    stacks = sym SYSCALL_STACKS,
    cpus = const MAX_CPUS,
    fork = const abi::syscall::Sysno::Fork as u64,
    user_code = const USER_CODE,
    user_data = const USER_DATA,
);

/// First steps of a thread on its own stack.
extern "C" fn switched(frame: &mut TrapFrame) {
    sched::finish_switch();
    sched::before_user(frame);
}

extern "C" fn handle_syscall(frame: &mut TrapFrame) {
    frame.rax = syscall::dispatch(frame).cast_unsigned();
    sched::after_call(frame);
}

/// Enters ring 3 with all of `frame`, which lies where the way in has put it, at the top of the running
/// thread's stack.
pub fn resume(frame: &mut TrapFrame) -> ! {
    unsafe extern "C" {
        fn leave_with(frame: &mut TrapFrame) -> !;
    }
    sched::before_user(frame);
    // SAFETY: a frame at the top of the stack is what the code there pops; nothing of the calls that led
    // here is left to be done, and none of them holds anything.
    unsafe { leave_with(frame) }
}

const DEVICE_NOT_AVAILABLE: u64 = 7;
const NMI: u64 = 2;
const PAGE_FAULT: u64 = 14;
const EXCEPTIONS: u64 = 32;

/// First vector of the IOAPIC's lines.
pub(super) const FIRST_LINE: u64 = 32;
/// Lines that have a vector.
pub(super) const LINES: u64 = 24;
/// Vector of the local APIC's timer.
pub(super) const TIMER: u64 = 56;
/// Vector of [`apic::Ipi::Reschedule`].
pub(super) const RESCHEDULE: u64 = 57;
/// Vector of [`apic::Ipi::FlushTlb`].
pub(super) const FLUSH_TLB: u64 = 58;
/// Vector of [`apic::Ipi::Measured`].
pub(super) const MEASURED: u64 = 59;
/// Vector that the local APIC gives when an interrupt is gone again. Wants no end signalled.
pub(super) const SPURIOUS: u64 = 63;
/// First vector of the devices' messages.
pub(super) const FIRST_MESSAGE: u64 = 64;
/// First vector of the PICs' lines, which have all up to the last.
pub(super) const FIRST_PIC: u64 = 96;

const _: () = assert!(FIRST_MESSAGE as usize + irq::MESSAGES == FIRST_PIC as usize);
const _: () = assert!(FIRST_PIC as usize + 16 == VECTORS);

extern "C" fn handle(frame: &mut TrapFrame) {
    match frame.vector {
        PAGE_FAULT if frame.rip == syscall_entry(cpu_id()) && frame.is_user() => {
            late_syscall(frame)
        }
        PAGE_FAULT if frame.is_user() => process::page_fault(frame, cpu::fault_address()),
        DEVICE_NOT_AVAILABLE if frame.is_user() => fpu::load_current(),
        NMI if panic::is_under_way() => cpu::stop(),
        0..EXCEPTIONS if frame.is_user() => process::exception(frame),
        0..EXCEPTIONS => panic::kernel_fault(frame, cpu::fault_address()),
        SPURIOUS => {}
        vector if frame.is_user() => interrupt(vector),
        vector => {
            let waited = cpu::after_interrupt(frame.rip);
            frame.rip = waited.unwrap_or_else(|| checker::interrupted(vector, frame.rip));
            interrupt(vector);
        }
    }
    if frame.is_user() {
        sched::before_user(frame);
    }
}

/// A system call whose stub was entered in ring 3. A program may also have jumped there, with
/// anything in the registers that `syscall` sets.
fn late_syscall(frame: &mut TrapFrame) {
    if frame.rcx >= USER_END {
        return process::page_fault(frame, frame.rip);
    }
    frame.rip = frame.rcx;
    frame.set_flags(frame.r11);
    frame.rax = syscall::dispatch(frame).cast_unsigned();
    sched::after_call(frame);
}

fn interrupt(vector: u64) {
    match vector {
        TIMER => sched::timer_interrupt(),
        RESCHEDULE => sched::reschedule(),
        FLUSH_TLB => tlb::answer(),
        MEASURED => ipi::answer(),
        FIRST_PIC.. => return pic_interrupt((vector - FIRST_PIC) as usize),
        FIRST_MESSAGE.. => irq::dispatch_message((vector - FIRST_MESSAGE) as usize),
        line => irq::dispatch((line - FIRST_LINE) as usize),
    }
    apic::end_of_interrupt();
}

/// The local APIC has passed it on, and knows nothing of it.
#[cold]
fn pic_interrupt(line: usize) {
    irq::dispatch(line);
    pic::end_of_interrupt();
}
