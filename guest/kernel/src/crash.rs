//! Faults on purpose, to see how the kernel ends: the parameter [`abi::image::param::CRASH`].

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crate::arch::{apic, clock, cpu, relax};
use crate::sync::SpinLock;
use crate::{machine, sched};

/// Until an interrupt comes.
const SOON_NS: u64 = 1_000_000;

/// A lock, and one that is always taken after it, but for [`other_processor`].
static FIRST: SpinLock<First> = SpinLock::new(First);
static SECOND: SpinLock<Second> = SpinLock::new(Second);

struct First;
struct Second;

/// Processors that have one of the two, and wait for the other to have the other.
static HAVE_ONE: AtomicU32 = AtomicU32::new(0);
const BOTH: u32 = 2;

/// The fault that two processors take part in, and whether it was asked for.
const ORDER: &str = "lock-order";
static IN_BOTH_ORDERS: AtomicBool = AtomicBool::new(false);

/// Processors besides the first that are up, and have said all that they say.
static OTHERS_UP: AtomicU32 = AtomicU32::new(0);

/// Faults, by name.
const CRASHES: &[(&str, fn())] = &[
    ("fault", cpu::read_nothing),
    ("lock-twice", halt_with_lock),
    ("lock-interrupts", spin_with_lock),
    (ORDER, take_in_order),
];

/// Causes the fault `name`, if it is one, when all of the `cpus` processors are up.
pub(crate) fn provoke(name: &str, cpus: u32, start_others: impl FnOnce()) {
    let Some((_, crash)) = CRASHES.iter().find(|crash| crash.0 == name) else {
        return;
    };
    if cpus > 1 {
        IN_BOTH_ORDERS.store(name == ORDER, Ordering::SeqCst);
        start_others();
    }
    // A panic stops them: what one of them is writing then would keep the console for ever.
    while OTHERS_UP.load(Ordering::SeqCst) + 1 < cpus {
        relax();
    }
    crash();
}

/// Halts with a lock that the timer's handler takes.
fn halt_with_lock() {
    apic::set_timer(clock::now_ns() + SOON_NS);
    sched::halt_with_lock();
}

/// Lets interrupts come while it has a lock.
fn spin_with_lock() {
    let _first = FIRST.lock();
    apic::set_timer(clock::now_ns() + SOON_NS);
    cpu::spin_with_interrupts();
}

/// Takes the second lock after the first, while the other processor does the opposite.
fn take_in_order() {
    let cpus = machine::get().cpus;
    assert!(cpus >= BOTH, "crash={ORDER} is for two processors");
    let _first = FIRST.lock();
    wait_for_other();
    let _second = SECOND.lock();
}

/// What other processors do when they have come up.
pub(crate) fn other_processor() {
    OTHERS_UP.fetch_add(1, Ordering::SeqCst);
    if IN_BOTH_ORDERS.load(Ordering::SeqCst) {
        let _second = SECOND.lock();
        wait_for_other();
        let _first = FIRST.lock();
    }
}

fn wait_for_other() {
    HAVE_ONE.fetch_add(1, Ordering::SeqCst);
    while HAVE_ONE.load(Ordering::SeqCst) < BOTH {
        core::hint::spin_loop();
    }
}
