//! FPU and SSE registers, given to a thread when it first uses them.
//!
//! CR0.TS makes the first use of a time slice trap. The registers are stored when the thread
//! leaves the processor, so a thread that moves to another finds them in memory; one that comes
//! back to a processor that nobody else has used them on finds them still there.
//!
//! There are software KVM hosts whose ring 3 CR0.TS does not trap. Which kind this is shows at
//! the first use ([`Trap`]): up to then the registers are [`CLEAN`] on every processor. If the use
//! traps, it is known. If a thread leaves them changed and has not trapped, that is known, and
//! the values are its own; from then on threads are given their registers as they come.
//!
//! ```text
//! Unknown ──a use traps──────────────────> Works:   loaded at the trap, stored if used
//!    └─────changed, and nothing trapped──> Missing: loaded and stored at every switch
//! ```

use core::cell::{Cell, UnsafeCell};
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

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

/// Where in the area MXCSR is, and the registers: x87's, then SSE's, then reserved bytes.
const MXCSR: usize = 24;
const REGISTERS: core::ops::Range<usize> = 32..416;

impl Area {
    /// Whether nothing but what processors differ in is different from [`CLEAN`].
    fn is_clean(&self) -> bool {
        let words = |part: core::ops::Range<usize>| self.0[part].as_chunks::<8>().0.iter();
        self.0[MXCSR..MXCSR + 4] == CLEAN.0[MXCSR..MXCSR + 4]
            && self.0[..8] == CLEAN.0[..8]
            && words(REGISTERS).all(|word| u64::from_le_bytes(*word) == 0)
    }
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
        save(self);
        self.reset();
        LOCAL.get().held.set(0);
        lock();
        arrive(self);
    }

    /// Takes the state over from `parent`, the running thread. This one has yet to run.
    pub fn copy_from(&self, parent: &Self) {
        save(parent);
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

/// Whether CR0.TS makes ring 3 trap.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trap {
    /// Nobody has used the registers yet: all hold [`CLEAN`].
    Unknown,
    Works,
    Missing,
}

static TRAP: AtomicU8 = AtomicU8::new(Trap::Unknown as u8);

impl Trap {
    fn get() -> Self {
        match TRAP.load(Ordering::Relaxed) {
            0 => Self::Unknown,
            1 => Self::Works,
            _ => Self::Missing,
        }
    }

    fn found(self) {
        TRAP.store(self as u8, Ordering::Relaxed);
    }
}

/// Puts this processor's registers into the state of a new program, behind a trap.
pub(super) fn init() {
    unlock();
    restore(&raw const CLEAN);
    lock();
}

/// Gives the registers to the running thread, which has trapped on their use.
pub fn load_current() {
    Trap::Works.found();
    load(&sched::current().fpu);
}

fn load(state: &FpuState) {
    let local = LOCAL.get();
    unlock();
    if !is_here(state, local) {
        let is_unused = state.last_cpu.load(Ordering::Relaxed) == UNUSED;
        restore(if is_unused {
            &raw const CLEAN
        } else {
            state.area.get().cast_const()
        });
        LOADS.fetch_add(1, Ordering::Relaxed);
        keep(state, local);
    }
}

/// Notes that this processor's registers are `state`'s.
fn keep(state: &FpuState, local: &Local) {
    local.held.set(state.id());
    state.last_cpu.store(cpu_id() + 1, Ordering::Relaxed);
}

/// The running thread, whose state is `state`, leaves this processor.
pub fn leave(state: &FpuState) {
    save(state);
    if Trap::get() != Trap::Missing {
        lock();
    }
}

/// A thread whose state is `state` has come to this processor.
pub fn arrive(state: &FpuState) {
    if Trap::get() == Trap::Missing || is_here(state, LOCAL.get()) {
        load(state);
    }
}

fn is_here(state: &FpuState, local: &Local) -> bool {
    local.held.get() == state.id() && state.last_cpu.load(Ordering::Relaxed) == cpu_id() + 1
}

/// Stores what the running thread, whose state is `state`, may have changed in the registers.
fn save(state: &FpuState) {
    match Trap::get() {
        Trap::Works if !LOCAL.get().live.get() => {}
        Trap::Works | Trap::Missing => store(state),
        Trap::Unknown => look(state),
    }
}

/// Looks whether the running thread has changed the registers without a trap.
#[cold]
fn look(state: &FpuState) {
    store(state);
    // SAFETY: this thread's own.
    if unsafe { (*state.area.get()).is_clean() } {
        state.reset();
        LOCAL.get().held.set(0);
        lock();
    } else {
        Trap::Missing.found();
    }
}

fn store(state: &FpuState) {
    let local = LOCAL.get();
    unlock();
    // SAFETY: the area is 512 bytes, aligned to 16, and this thread's.
    unsafe { core::arch::asm!("fxsave64 [{}]", in(reg) state.area.get(), options(nostack)) };
    keep(state, local);
}

fn restore(area: *const Area) {
    // SAFETY: the callers' areas are CLEAN, or hold what `fxsave` stored.
    unsafe { core::arch::asm!("fxrstor64 [{}]", in(reg) area, options(nostack)) };
}

/// Lets the next use trap.
fn lock() {
    if LOCAL.get().live.replace(false) {
        let cr0 = x86_64::registers::control::Cr0::read_raw();
        // SAFETY: the kernel itself does not use these registers.
        unsafe { x86_64::registers::control::Cr0::write_raw(cr0 | 1 << 3) };
    }
}

/// Lets uses pass.
fn unlock() {
    if !LOCAL.get().live.replace(true) {
        // SAFETY: as in `lock`.
        unsafe { core::arch::asm!("clts", options(nomem, nostack, preserves_flags)) };
    }
}
