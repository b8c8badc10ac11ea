//! Processes: an address space, threads, open files, children.
//!
//! - [`exec`] loads programs and forks; [`files`] are what is open; [`transfers`] counts what
//!   communication costs.
//! - [`futex`] is waiting for a word of memory; [`signal`] what disturbs that and everything else.
//! - [`locks`] are locks of the kernel's for a process's threads, with priority inheritance.
//! - [`end`] is how processes and threads end and are waited for; faults in ring 3 lead there.

mod end;
mod exec;
mod files;
mod futex;
mod locks;
pub(crate) mod signal;
mod transfers;
mod vfork;

use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use abi::syscall::{Errno, ExitStatus};

pub(crate) use end::{exception, exit, exit_thread, kill, page_fault, wait_for_child};
pub(crate) use exec::{exec, fork, spawn_thread, start_first};
pub(crate) use files::{Files, Kind, OpenFile};
pub(crate) use futex::{futex_wait, futex_wake};
pub(crate) use locks::{give_lock, take_lock};

use transfers::TransferCounts;

use crate::mm::space::{Shared, VmSpace};
use crate::sched::{self, Thread, WaitQueue};
use crate::sync::{AtomicRef, Mutex, Pool, SpinLock};
use signal::Signals;

/// A process. They are made once and used again, like threads.
///
/// Lock order: `space`, then the spin locks, of which no two are held at a time.
pub struct Process {
    pid: AtomicU64,
    parent: AtomicRef<Process>,
    /// Whose address space it has, if that was lent to it ([`vfork`]).
    lender: AtomicRef<Process>,
    /// Its own address space is with a child.
    has_lent: AtomicBool,
    /// Path of its program.
    name: SpinLock<String>,
    /// What processors need of the address space.
    pub shared: Shared,
    /// Its memory; none before its program is loaded and after its end.
    pub space: Mutex<Option<VmSpace>>,
    /// What it has open.
    pub files: SpinLock<Files>,
    threads: SpinLock<Vec<&'static Thread>>,
    /// Number of the thread made last.
    last_tid: AtomicU64,
    children: SpinLock<Vec<&'static Process>>,
    /// All its threads have to end.
    ending: AtomicBool,
    /// Its threads have something to do before they enter ring 3: it is ending, or a signal is pending.
    attention: AtomicBool,
    signals: Signals,
    /// Why it ends; what it was given first counts.
    cause: SpinLock<Option<ExitStatus>>,
    /// It has ended, and waits for its parent.
    ended: AtomicBool,
    /// Waits for its children and threads to end.
    pub changes: WaitQueue,
    /// What its communication has cost.
    pub transfers: TransferCounts,
    /// Threads that wait for a word of its memory, each with the word's address.
    futexes: futex::Sleepers,
    /// Locks that its threads have, each with its number and who has it.
    locks: SpinLock<Vec<(u64, &'static Thread)>>,
}

static POOL: Pool<Process> = Pool::new();
static LAST_PID: AtomicU64 = AtomicU64::new(0);

/// Number of the first process.
pub(crate) const FIRST_PID: u64 = 1;

impl Process {
    fn empty() -> Self {
        Self {
            pid: AtomicU64::new(0),
            parent: AtomicRef::new(),
            lender: AtomicRef::new(),
            has_lent: AtomicBool::new(false),
            name: SpinLock::new(String::new()),
            shared: Shared::default(),
            space: Mutex::new(None),
            files: SpinLock::new(Files::default()),
            threads: SpinLock::new(Vec::new()),
            last_tid: AtomicU64::new(0),
            children: SpinLock::new(Vec::new()),
            ending: AtomicBool::new(false),
            attention: AtomicBool::new(false),
            signals: Signals::new(),
            cause: SpinLock::new(None),
            ended: AtomicBool::new(false),
            changes: WaitQueue::new(),
            transfers: TransferCounts::default(),
            futexes: SpinLock::new(Vec::new()),
            locks: SpinLock::new(Vec::new()),
        }
    }

    /// A process without memory and threads.
    fn create(parent: Option<&'static Self>) -> Option<&'static Self> {
        let process = POOL.take(|| Some(Self::empty()))?;
        process.pid.store(
            LAST_PID.fetch_add(1, Ordering::Relaxed) + 1,
            Ordering::Relaxed,
        );
        process.parent.store(parent);
        process.shared.reset();
        process.transfers.reset();
        process.last_tid.store(0, Ordering::Relaxed);
        process.ending.store(false, Ordering::Relaxed);
        process.attention.store(false, Ordering::Relaxed);
        process.signals.reset();
        process.ended.store(false, Ordering::Relaxed);
        *process.cause.lock() = None;
        Some(process)
    }

    /// Its number.
    pub fn pid(&self) -> u64 {
        self.pid.load(Ordering::Relaxed)
    }

    /// Whether all its threads have to end.
    #[inline]
    pub fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Whether its threads have something to do before they enter ring 3.
    #[inline]
    pub fn needs_attention(&self) -> bool {
        self.attention.load(Ordering::Relaxed)
    }

    /// Its memory, locked, for `use_it`.
    pub fn with_space<R>(
        &self,
        use_it: impl FnOnce(&mut VmSpace) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        use_it(self.space.lock().as_mut().ok_or(Errno::Srch)?)
    }

    /// Whether thread `tid` was started and has not ended; `None` if there was none.
    pub fn has_thread(&self, tid: u64) -> Option<bool> {
        if tid == 0 || tid > self.last_tid.load(Ordering::Relaxed) {
            return None;
        }
        Some(
            self.threads
                .lock()
                .iter()
                .any(|thread| thread.tid.load(Ordering::Relaxed) == tid),
        )
    }

    fn is_alone(&self) -> bool {
        self.threads.lock().len() == 1
    }
}

/// The process of the running thread.
///
/// # Panics
/// If the thread is an idle one: they make no system calls.
pub(crate) fn current() -> &'static Process {
    sched::current()
        .process()
        .expect("only threads of processes come here")
}
