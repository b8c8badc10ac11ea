//! FPU and SSE registers, given to a thread when it first uses them.
//!
//! CR0.TS makes the first use of a time slice trap. The registers are stored when the thread
//! leaves the processor, so a thread that moves to another finds them in memory; one that comes
//! back to a processor that nobody else has used them on finds them still there.
//!
//! Where ring 3 runs under a software KVM that does not let CR0.TS trap ([`be_eager`]), threads
//! are given their registers as they come.

use core::cell::{Cell, UnsafeCell};
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use super::MAX_CPUS;
use super::cpu_id;
use crate::sched;
use crate::sync::CpuLocal;

/// What `fxsave` stores (SDM 1 10.5.1).
#[repr(C, align(16))]
#[derive(Clone, Copy)]
struct Area([u8; 512]);

/// The state of a new program: all exceptions masked, all registers zero.
static CLEAN: Area = clean();

const fn clean() -> Area {
    let mut area = [0; 512];
    // FCW = 0x037f at 0, MXCSR = 0x1f80 at 24.
    area[0] = 0x7f;
    area[1] = 0x03;
    area[24] = 0x80;
    area[25] = 0x1f;
    Area(area)
}

/// The state is in memory only.
const NOWHERE: u32 = 0;
/// The thread has never used the registers; its state is [`CLEAN`], whatever its area holds.
const UNUSED: u32 = u32::MAX;

/// FPU state of a thread.
pub struct FpuState {
    area: UnsafeCell<Area>,
    /// Processor, plus one, whose registers hold it or held it last, or [`NOWHERE`] or
    /// [`UNUSED`].
    last_cpu: AtomicU32,
}

// SAFETY: only the thread's own processor touches the area, and a fork of the thread by itself.
unsafe impl Sync for FpuState {}

impl FpuState {
    /// The state of a new program.
    pub const fn new() -> Self {
        Self {
            area: UnsafeCell::new(CLEAN),
            last_cpu: AtomicU32::new(UNUSED),
        }
    }

    /// Back to the state of a new program. For a thread that has yet to run.
    pub fn reset(&self) {
        self.last_cpu.store(UNUSED, Ordering::Relaxed);
    }

    /// As [`Self::reset`], for the running thread.
    pub fn reset_current(&self) {
        self.reset();
        LOCAL.get().held.set(0);
        lock();
        arrive(self);
    }

    /// Takes the state over from `parent`, the running thread. This one has yet to run.
    pub fn copy_from(&self, parent: &Self) {
        if LOCAL.get().live.get() {
            store(parent);
        }
        if parent.last_cpu.load(Ordering::Relaxed) == UNUSED {
            return self.reset();
        }
        // SAFETY: `parent` runs here, and the owner of `self` does not run.
        unsafe { *self.area.get() = *parent.area.get() };
        self.last_cpu.store(NOWHERE, Ordering::Relaxed);
    }

    fn id(&self) -> u64 {
        self as *const Self as u64
    }
}

impl Default for FpuState {
    fn default() -> Self {
        Self::new()
    }
}

/// What the registers of a processor hold.
struct Local {
    /// [`FpuState::id`] of it.
    held: Cell<u64>,
    /// Whether the running thread may use the registers without a trap.
    live: Cell<bool>,
}

static LOCAL: CpuLocal<Local> = CpuLocal::new(
    [const {
        Local {
            held: Cell::new(0),
            live: Cell::new(false),
        }
    }; MAX_CPUS],
);

/// Loads of the registers since boot.
pub static LOADS: AtomicU64 = AtomicU64::new(0);

/// Whether registers are loaded without waiting for a trap.
static EAGER: AtomicBool = AtomicBool::new(false);

/// The running thread, of the first process, has been seen to run where CR0.TS does not trap:
/// what it has in the registers is its own, and from now on nobody waits for a trap.
pub fn be_eager() {
    if EAGER.swap(true, Ordering::Relaxed) {
        return;
    }
    let state = &sched::current().fpu;
    let local = LOCAL.get();
    unlock();
    local.held.set(state.id());
    state.last_cpu.store(cpu_id() + 1, Ordering::Relaxed);
    local.live.set(true);
}

/// Gives the registers to the running thread, which has trapped on their use.
pub fn load_current() {
    load(&sched::current().fpu);
}

fn load(state: &FpuState) {
    let local = LOCAL.get();
    unlock();
    if !is_here(state, local) {
        let unused = state.last_cpu.load(Ordering::Relaxed) == UNUSED;
        let area = if unused {
            &raw const CLEAN
        } else {
            state.area.get().cast_const()
        };
        // SAFETY: the area is CLEAN, or this thread's and holds what `fxsave` stored.
        unsafe { core::arch::asm!("fxrstor64 [{}]", in(reg) area, options(nostack)) };
        LOADS.fetch_add(1, Ordering::Relaxed);
        local.held.set(state.id());
        state.last_cpu.store(cpu_id() + 1, Ordering::Relaxed);
    }
    local.live.set(true);
}

/// The running thread, whose state is `state`, leaves this processor.
pub fn leave(state: &FpuState) {
    let local = LOCAL.get();
    if local.live.get() {
        store(state);
        local.live.set(false);
        lock();
    }
}

/// A thread whose state is `state` has come to this processor.
pub fn arrive(state: &FpuState) {
    if EAGER.load(Ordering::Relaxed) || is_here(state, LOCAL.get()) {
        load(state);
    }
}

fn is_here(state: &FpuState, local: &Local) -> bool {
    local.held.get() == state.id() && state.last_cpu.load(Ordering::Relaxed) == cpu_id() + 1
}

fn store(state: &FpuState) {
    // SAFETY: the area is 512 bytes, aligned to 16, and this thread's.
    unsafe { core::arch::asm!("fxsave64 [{}]", in(reg) state.area.get(), options(nostack)) };
}

/// Lets the next use trap.
fn lock() {
    let cr0 = x86_64::registers::control::Cr0::read_raw();
    // SAFETY: the kernel itself does not use these registers.
    unsafe { x86_64::registers::control::Cr0::write_raw(cr0 | 1 << 3) };
    LOCAL.get().live.set(false);
}

/// Lets uses pass.
fn unlock() {
    // SAFETY: as in `lock`.
    unsafe { core::arch::asm!("clts", options(nomem, nostack, preserves_flags)) };
}
