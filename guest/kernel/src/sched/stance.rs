//! How the kernel schedules: the policy, and what it says once for all threads.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};

use super::policy::{Policy, Rules, Slice};
use super::{Thread, run_queue};
use crate::arch::clock;
use crate::sync::Once;

/// Who runs next, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Who runs next.
    pub policy: Policy,
    /// For how long.
    pub slice_ns: u64,
}

/// The longest slice; no thread keeps a processor for longer while others wait, whatever the policy.
pub const LONGEST_SLICE_NS: u64 = 10_000_000_000;

/// What the command line says.
static FIRST: Once<Settings> = Once::new();
/// The policy's place among all.
static POLICY: AtomicUsize = AtomicUsize::new(0);
static SLICE_NS: AtomicU64 = AtomicU64::new(0);
/// Length of a turn: the slice, or the longest one.
static TURN_NS: AtomicU64 = AtomicU64::new(LONGEST_SLICE_NS);
static HAS_SEVERAL: AtomicBool = AtomicBool::new(false);
static PREEMPTS: AtomicBool = AtomicBool::new(false);
/// Number of the policy that is in use, from 1 on.
static EPOCH: AtomicU32 = AtomicU32::new(0);

/// Prepares run queues for `cpus` processors.
pub fn init(settings: Settings, cpus: u32) {
    FIRST.set(settings);
    take(settings);
    run_queue::init(settings.policy, clock::ns_to_ticks(settings.slice_ns), cpus);
}

/// Has other settings hold from now on, for threads that wait, too. None are those of the start.
pub fn change(policy: Option<Policy>, slice_ns: Option<u64>) {
    let Some(first) = FIRST.get() else {
        return;
    };
    let settings = Settings {
        policy: policy.unwrap_or(first.policy),
        slice_ns: slice_ns.unwrap_or(first.slice_ns),
    };
    take(settings);
    run_queue::change(settings.policy, clock::ns_to_ticks(settings.slice_ns));
}

fn take(settings: Settings) {
    let Settings { policy, slice_ns } = settings;
    let place = Policy::ALL.iter().position(|other| *other == policy);
    let Rules { slice, preempts } = policy.make::<&'static Thread>(0).rules();
    POLICY.store(place.unwrap_or_default(), Relaxed);
    SLICE_NS.store(slice_ns, Relaxed);
    let turn_ns = match slice {
        Slice::Usual | Slice::Several => slice_ns,
        Slice::Whole => LONGEST_SLICE_NS,
    };
    TURN_NS.store(turn_ns, Relaxed);
    HAS_SEVERAL.store(slice == Slice::Several, Relaxed);
    PREEMPTS.store(preempts, Relaxed);
    EPOCH.fetch_add(1, Relaxed);
}

/// How the kernel schedules.
pub fn settings() -> Settings {
    Settings {
        policy: Policy::ALL[POLICY.load(Relaxed)],
        slice_ns: SLICE_NS.load(Relaxed),
    }
}

/// Number of the policy that is in use.
#[inline]
pub(super) fn epoch() -> u32 {
    EPOCH.load(Relaxed)
}

/// Whether a thread that comes to wait may have to run at once.
#[inline]
pub(super) fn preempts() -> bool {
    PREEMPTS.load(Relaxed)
}

/// How long a turn of `thread` is, which begins now.
#[inline]
pub(super) fn turn_ns(thread: &'static Thread) -> u64 {
    let turn_ns = TURN_NS.load(Relaxed);
    if !HAS_SEVERAL.load(Relaxed) {
        return turn_ns;
    }
    let slices = run_queue::slices(thread);
    turn_ns.saturating_mul(slices).min(LONGEST_SLICE_NS)
}
