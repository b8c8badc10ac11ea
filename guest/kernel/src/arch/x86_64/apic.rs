//! The local APIC: by MSRs (x2APIC) where the processor has that, else by its registers in memory.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::cpu::{cpuid, rdmsr, wrmsr};
use super::{clock, kvm, trap};
use crate::irq::Message;
use crate::mm::{MmioRegion, PhysAddr};
use crate::sync::Once;

const BASE_MSR: u32 = 0x1b;
const BASE_ENABLE: u64 = 1 << 11;
const BASE_X2APIC: u64 = 1 << 10;
const TSC_DEADLINE_MSR: u32 = 0x6e0;
/// MSR of the register at offset 0.
const X2APIC_MSRS: u32 = 0x800;
const REGISTERS_BYTES: u64 = 0x400;

/// Register offsets in memory (SDM 3A table 11-1); in MSRs a sixteenth of it.
const END_OF_INTERRUPT: u32 = 0xb0;
const SPURIOUS: u32 = 0xf0;
const COMMAND: u32 = 0x300;
const COMMAND_HIGH: u32 = 0x310;
const TIMER: u32 = 0x320;
const LINT0: u32 = 0x350;
const TIMER_INITIAL: u32 = 0x380;
const TIMER_CURRENT: u32 = 0x390;
const TIMER_DIVIDE: u32 = 0x3e0;

const SOFTWARE_ENABLE: u32 = 1 << 8;
const DIVIDE_BY_1: u32 = 0b1011;
const MODE_TSC_DEADLINE: u32 = 2 << 17;
const MASKED: u32 = 1 << 16;
/// Delivery mode of a local vector: what the PIC says.
const EXT_INT: u32 = 7 << 8;

/// Command register: delivery modes and more (SDM 3A 11.6.1).
const NMI: u32 = 4 << 8;
const INIT: u32 = 5 << 8;
const STARTUP: u32 = 6 << 8;
const ASSERT: u32 = 1 << 14;
const ALL_BUT_SELF: u32 = 3 << 18;
const BUSY: u32 = 1 << 12;

/// Where devices write to, to interrupt processor 0 (SDM 3A 11.11.1), and where in the address
/// another's number goes; what they write is the vector, which all other bits zero make one of an
/// edge, for that processor alone.
const MESSAGE_ADDRESS: u64 = 0xfee0_0000;
const MESSAGE_CPU_SHIFT: u32 = 12;

/// An interrupt from one processor to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ipi {
    /// Look at the run queue again.
    Reschedule,
    /// A request of [`super::tlb`] is open.
    FlushTlb,
    /// A round of [`super::ipi`] is under way.
    Measured,
}

/// The registers in memory, where x2APIC is not there.
static REGISTERS: Once<MmioRegion> = Once::new();
static X2APIC: AtomicBool = AtomicBool::new(false);

/// How the timer is set.
static TIMER_MODE: Once<TimerMode> = Once::new();

enum TimerMode {
    /// By a value of the time-stamp counter.
    TscDeadline,
    /// By a count of ticks of so many Hz.
    Count { hz: u64 },
}

/// Finds out how the APICs are reached. Once, before [`init`].
pub fn detect() {
    if cpuid(1, 0)[2] & 1 << 21 != 0 {
        X2APIC.store(true, Ordering::Relaxed);
        return;
    }
    let base = rdmsr(BASE_MSR) & 0x000f_ffff_ffff_f000;
    let registers = MmioRegion::map(PhysAddr(base), REGISTERS_BYTES);
    REGISTERS.set(registers.expect("the first mappings of device registers fit"));
}

/// Switches this processor's APIC on, its timer stopped.
pub fn init() {
    if X2APIC.load(Ordering::Relaxed) {
        wrmsr(BASE_MSR, rdmsr(BASE_MSR) | BASE_ENABLE | BASE_X2APIC);
    }
    write(SPURIOUS, SOFTWARE_ENABLE | trap::SPURIOUS as u32);
}

/// Makes the timer ready on this processor; measures its frequency when called first, and needs
/// the clock for that.
pub fn init_timer() {
    let mode = TIMER_MODE
        .get()
        .unwrap_or_else(|| TIMER_MODE.set(find_timer_mode()));
    match mode {
        TimerMode::TscDeadline => write(TIMER, trap::TIMER as u32 | MODE_TSC_DEADLINE),
        TimerMode::Count { .. } => {
            write(TIMER_DIVIDE, DIVIDE_BY_1);
            write(TIMER, trap::TIMER as u32);
        }
    }
}

fn find_timer_mode() -> TimerMode {
    if cpuid(1, 0)[2] & 1 << 24 != 0 {
        return TimerMode::TscDeadline;
    }
    /// Long against the time that reading the clock takes.
    const MEASURE_NS: u64 = 200_000;
    write(TIMER_DIVIDE, DIVIDE_BY_1);
    write(TIMER, MASKED);
    write(TIMER_INITIAL, u32::MAX);
    let start = clock::now_ns();
    let mut now = start;
    while now < start + MEASURE_NS {
        now = clock::now_ns();
    }
    let ticks = u64::from(u32::MAX - read(TIMER_CURRENT));
    write(TIMER_INITIAL, 0);
    TimerMode::Count {
        hz: (ticks * 1_000_000_000 / (now - start)).max(1),
    }
}

/// Lets the timer interrupt once at `deadline_ns` of the clock, or at once if that is over.
/// A setting of before is forgotten.
pub fn set_timer(deadline_ns: u64) {
    match TIMER_MODE.get() {
        Some(TimerMode::TscDeadline) => wrmsr(TSC_DEADLINE_MSR, clock::tsc_at(deadline_ns).max(1)),
        Some(TimerMode::Count { hz }) => {
            let ns = deadline_ns.saturating_sub(clock::now_ns());
            let ticks = u128::from(ns) * u128::from(*hz) / 1_000_000_000;
            write(
                TIMER_INITIAL,
                u32::try_from(ticks).unwrap_or(u32::MAX).max(1),
            );
        }
        None => {}
    }
}

/// Says that the interrupt being handled is done with.
pub fn end_of_interrupt() {
    if !kvm::end_of_interrupt() {
        write(END_OF_INTERRUPT, 0);
    }
}

/// What LINT0 was before the PIC was connected.
static LINT0_BEFORE: AtomicU32 = AtomicU32::new(MASKED);

/// Lets the PIC interrupt this processor, by LINT0 ("virtual wire", MultiProcessor Specification
/// 1.4 3.6.2.2).
pub fn connect_pic() {
    LINT0_BEFORE.store(read(LINT0), Ordering::Relaxed);
    write(LINT0, EXT_INT);
}

/// Puts LINT0 back to what it was.
pub fn disconnect_pic() {
    write(LINT0, LINT0_BEFORE.load(Ordering::Relaxed));
}

/// The message to processor `cpu` that is interrupt number `number` of those that devices write.
pub fn message(cpu: u32, number: u64) -> Message {
    Message {
        address: MESSAGE_ADDRESS | u64::from(cpu) << MESSAGE_CPU_SHIFT,
        data: (trap::FIRST_MESSAGE + number) as u32,
    }
}

/// Interrupts processor `cpu`.
pub fn send(cpu: usize, ipi: Ipi) {
    let vector = match ipi {
        Ipi::Reschedule => trap::RESCHEDULE,
        Ipi::FlushTlb => trap::FLUSH_TLB,
        Ipi::Measured => trap::MEASURED,
    };
    command(cpu as u32, ASSERT | vector as u32);
}

/// Resets all other processors, so that they wait for [`start_others`].
pub fn reset_others() {
    command(0, ALL_BUT_SELF | ASSERT | INIT);
}

/// Lets all other processors begin in real mode at `page` times 4 KiB.
pub fn start_others(page: u8) {
    command(0, ALL_BUT_SELF | ASSERT | STARTUP | u32::from(page));
}

/// Interrupts all other processors, whatever they do.
pub fn send_nmi_to_others() {
    command(0, ALL_BUT_SELF | ASSERT | NMI);
}

fn command(destination: u32, low: u32) {
    if X2APIC.load(Ordering::Relaxed) {
        wrmsr(
            X2APIC_MSRS + COMMAND / 16,
            u64::from(destination) << 32 | u64::from(low),
        );
        return;
    }
    while read(COMMAND) & BUSY != 0 {
        core::hint::spin_loop();
    }
    write(COMMAND_HIGH, destination << 24);
    write(COMMAND, low);
}

#[inline]
fn write(register: u32, value: u32) {
    match REGISTERS.get() {
        Some(registers) => registers.write32(u64::from(register), value),
        None => wrmsr(X2APIC_MSRS + register / 16, u64::from(value)),
    }
}

fn read(register: u32) -> u32 {
    match REGISTERS.get() {
        Some(registers) => registers.read32(u64::from(register)),
        None => rdmsr(X2APIC_MSRS + register / 16) as u32,
    }
}
