//! vCPU threads: how they start, wait, obey and end.
//!
//! ```text
//!  spawn --> ask for CPUID --> take the vCPU, set it up --> Gate --> run_loop --> end of the VM
//!                                                             ^         |
//!                                       dropped: go home -----+         +--> pause, resume, stop
//! ```
//! The time from the process's start to the guest's first instruction is short because the first
//! thread does its part while the machine is still being put together.
//!
//! A command is left in [`Control`], then the vCPU is kicked.

use crate::accounting::ExitStats;
use crate::halt::HaltReason;
use crate::kvm::{CpuStart, Kicker, Leaves, Vcpu};
use crate::run_loop::{Shared, run};
use rustix::thread::{sched_getaffinity, sched_getcpu, sched_setaffinity};
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// What the names of vCPU threads begin with.
pub const VCPU_THREADS: &str = "vcpu";

/// vCPU threads wait here until the machine is whole: they start and set their vCPUs up while the
/// devices are made. Dropping it sends them home.
#[derive(Default)]
pub struct Gate(Arc<OnceLock<Option<Arc<Shared>>>>);

impl Gate {
    /// Whether the vCPUs run.
    pub fn is_open(&self) -> bool {
        self.0.get().is_some_and(Option::is_some)
    }

    /// Lets the vCPUs run.
    pub fn open(&self, shared: Arc<Shared>) {
        // The second of two openings changes nothing.
        let _ = self.0.set(Some(shared));
    }

    /// Sends home who has not passed.
    pub fn close(&self) {
        // One that is open stays so.
        let _ = self.0.set(None);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.close();
    }
}

/// Moves the calling thread off `processor`, where there is another for it. One that starts on the
/// processor of the thread that made it takes that from it, and a kernel that finds the other
/// processors asleep leaves both there.
fn leave(processor: usize) {
    if sched_getcpu() != processor {
        return;
    }
    let Ok(all) = sched_getaffinity(None) else {
        return;
    };
    let mut others = all;
    others.unset(processor);
    if others.count() > 0 && sched_setaffinity(None, &others).is_ok() {
        // It may go where it likes again; if not, the others do.
        let _ = sched_setaffinity(None, &all);
    }
}

/// How long the first thread, which all wait for, stays awake for what it waits for: waking it up
/// would take a tenth of that.
const AWAKE: Duration = Duration::from_millis(1);

/// What `look` finds, as soon as there is something; nothing when the time to stay awake is over.
/// The processor is left to others in between: KVM waits for kernel threads meanwhile.
fn look_out<T>(index: u8, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    while index == 0 && start.elapsed() < AWAKE {
        if let Some(found) = look() {
            return Some(found);
        }
        thread::yield_now();
    }
    None
}

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Command {
    Run,
    Pause,
    Stop,
}

/// Command to a vCPU thread, and whether it rests.
pub(crate) struct Control {
    /// A [`Command`].
    command: AtomicU8,
    resting: Mutex<bool>,
    changed: Condvar,
}

impl Control {
    fn give(&self, command: Command) {
        let _resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        self.command.store(command as u8, Ordering::SeqCst);
        self.changed.notify_all();
    }

    pub(crate) fn is(&self, command: Command) -> bool {
        self.command.load(Ordering::SeqCst) == command as u8
    }

    /// Rests while the command is to pause.
    pub(crate) fn rest(&self) {
        let mut resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        *resting = true;
        self.changed.notify_all();
        while self.is(Command::Pause) {
            resting = self
                .changed
                .wait(resting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *resting = false;
    }
}

/// A vCPU with the place where its guest starts, if it is not started by another.
type Given = (Vcpu, Option<CpuStart>);

/// A vCPU's thread, from outside. Dropping it stops the vCPU.
pub struct VcpuHandle {
    control: Arc<Control>,
    kicker: Kicker,
    stats: Arc<ExitStats>,
    inbox: Option<Sender<Given>>,
    thread: Option<JoinHandle<()>>,
}

impl VcpuHandle {
    /// Starts the thread of vCPU `index`, which waits for [`Self::give`] and for the gate.
    pub fn spawn(index: u8, leaves: Arc<Leaves>, gate: &Gate) -> io::Result<Self> {
        let control = Arc::new(Control {
            command: AtomicU8::new(Command::Run as u8),
            resting: Mutex::new(false),
            changed: Condvar::new(),
        });
        let (kicker, stats) = (Kicker::new(), Arc::new(ExitStats::default()));
        let (inbox, given) = mpsc::channel();
        let makers = sched_getcpu();
        let inside = Inside {
            index,
            control: control.clone(),
            kicker: kicker.clone(),
            stats: stats.clone(),
            given,
            gate: gate.0.clone(),
        };
        let thread = thread::Builder::new()
            .name(format!("{VCPU_THREADS}{index}"))
            .stack_size(STACK_BYTES)
            .spawn(move || {
                leave(makers);
                leaves.list();
                inside.live();
            })?;
        Ok(Self {
            control,
            kicker,
            stats,
            inbox: Some(inbox),
            thread: Some(thread),
        })
    }

    /// Hands the thread its vCPU.
    pub fn give(&self, vcpu: Vcpu, start: Option<CpuStart>) {
        if let Some(inbox) = &self.inbox {
            // A thread that is gone has said why.
            let _ = inbox.send((vcpu, start));
        }
    }

    /// Stops the guest's time for this vCPU; returns when it rests.
    pub fn pause(&self) {
        self.control.give(Command::Pause);
        self.kicker.kick();
        let mut resting = self
            .control
            .resting
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        while !*resting && !self.thread.as_ref().is_none_or(JoinHandle::is_finished) {
            let waited = self.control.changed.wait_timeout(resting, REST_POLL);
            resting = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Goes on after [`Self::pause`].
    pub fn resume(&self) {
        self.control.give(Command::Run);
    }

    /// What it has done so far.
    pub fn stats(&self) -> Arc<ExitStats> {
        self.stats.clone()
    }

    /// Ends the thread. The guest's state is gone with it.
    pub fn stop(&mut self) {
        self.control.give(Command::Stop);
        self.inbox = None;
        self.kicker.kick();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            log::error!("a vCPU thread panicked");
        }
    }
}

impl Drop for VcpuHandle {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The handlers of devices are shallow.
const STACK_BYTES: usize = 256 << 10;
/// How often `pause` looks whether the thread has ended instead.
const REST_POLL: std::time::Duration = std::time::Duration::from_millis(10);

/// The thread's side of a [`VcpuHandle`].
struct Inside {
    index: u8,
    control: Arc<Control>,
    kicker: Kicker,
    stats: Arc<ExitStats>,
    given: Receiver<Given>,
    gate: Arc<OnceLock<Option<Arc<Shared>>>>,
}

impl Inside {
    /// From the vCPU's set-up to the end of the VM, or home if there is to be none.
    fn live(self) {
        let given = look_out(self.index, || self.given.try_recv().ok());
        let Some((mut vcpu, start)) = given.or_else(|| self.given.recv().ok()) else {
            return;
        };
        vcpu.attach(self.kicker);
        let ready = vcpu.set_up(start).and_then(|()| vcpu.tsc_khz());
        let opened = look_out(self.index, || self.gate.get());
        let Some(shared) = opened.unwrap_or_else(|| self.gate.wait()) else {
            return;
        };
        let reason = match ready {
            Ok(tsc_khz) => {
                self.stats.set_frequency(tsc_khz);
                run(&mut vcpu, shared, &self.control, &self.stats)
            }
            Err(error) => Some(HaltReason::HostError(crate::chain(&error))),
        };
        if let Some(reason) = reason {
            shared.end(reason);
        }
    }
}
