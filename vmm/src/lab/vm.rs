//! One VM of the built-in guest, which does all runs of an experiment one after another.

use super::experiment::{Experiment, Run};
use super::peer::Peer;
use crate::device_manager::{Backends, VirtioDisk};
use crate::guest;
use crate::halt::HaltReason;
use crate::images::Image;
use crate::machine::{Config, Machine, MachineError, Timeline};
use crate::run_loop::Shared;
use crate::signals::Signals;
use crate::suite::{CheckResult, ExitCounters, LogSink, Progress, SuiteLog};
use crate::supervisor::{Watch, supervise};
use abi::image::SCRATCH_DISK_BYTES;
use devices::disk::{DiskError, DiskFile};
use devices::timer::TimedDevice;
use std::fmt::Write;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use vmm_sys_util::timerfd::TimerFd;

const CONSOLE: &str = "hvc0";
/// A run that has not been ended by the guest itself in time is given so much more.
const MERCY: Duration = Duration::from_secs(30);

/// Why there are no results.
#[derive(Debug, thiserror::Error)]
pub(super) enum VmError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Machine(#[from] MachineError),
    #[error("the host failed")]
    Host(#[from] io::Error),
}

/// What has come of a VM.
pub(super) struct Ended {
    /// A result for each run, in their order.
    pub(super) checks: Vec<CheckResult>,
    /// Why it did not end by itself, if so.
    pub(super) trouble: Option<String>,
}

/// Processors of a second VM.
pub(super) const PEER_CPUS: u8 = 1;

/// The suite that runs are to the guest, each of which may take so long.
pub(super) fn suite(runs: &[Run], timeout: Duration) -> String {
    let mut text = String::new();
    let timeout_ms = timeout.as_millis();
    for run in runs {
        let (name, program, args) = (&run.name, &run.program, &run.args);
        let _ = writeln!(text, "{name} scheduling {timeout_ms} {program} {args}");
    }
    text
}

/// Does all runs. `progress` is told of them.
pub(super) fn run(
    experiment: &Experiment,
    stop: &Stop,
    progress: Box<dyn Progress>,
) -> Result<Ended, VmError> {
    let suite = suite(&experiment.runs, experiment.timeout);
    let patience = Arc::new(Mutex::new(Patience::new(experiment.timeout + MERCY)?));
    let counters = ExitCounters::default();
    let watched = Box::new(Watched {
        progress,
        patience: patience.clone(),
    });
    let checks = guest::planned_checks(suite.as_bytes());
    let log = Arc::new(Mutex::new(SuiteLog::new(checks, counters.clone(), watched)));
    let disk = DiskFile::temporary(SCRATCH_DISK_BYTES)?;
    let (peer, networks) = match &experiment.peer {
        None => (None, Vec::new()),
        Some(run) => {
            let (peer, network) = Peer::start(experiment, run)?;
            (Some(peer), vec![network])
        }
    };
    let backends = Backends {
        disks: vec![VirtioDisk::new(disk)],
        networks,
        ..Backends::plain(&|| Box::new(LogSink::new(log.clone())))
    };
    let mut machine = machine(experiment, experiment.cpus, &suite, backends)?;
    // Nobody else sets it.
    let _ = counters.set(machine.counters());
    let _guard = stop.watch(machine.shared());
    let watch = watch(vec![patience.clone()]);
    let shared = machine.shared().clone();
    lock(&patience).ends = Some(shared);
    machine.start();
    let halt = supervise(&machine, watch)?;
    machine.stop();
    let (checks, panic) = lock(&log).finish();
    let trouble = match (panic, halt) {
        (Some(panic), _) => Some(format!("the guest's kernel panicked: {}", panic.message)),
        (None, HaltReason::PowerOff | HaltReason::DebugExit(_)) => None,
        (None, HaltReason::Timeout) => {
            Some("the guest hung: it ended no run for longer than one may take".to_owned())
        }
        (None, halt) => Some(halt.to_string()),
    };
    let trouble = trouble.or_else(|| peer.and_then(Peer::end));
    Ok(Ended { checks, trouble })
}

/// A VM of the built-in guest that does a suite.
pub(super) fn machine(
    experiment: &Experiment,
    cpus: u8,
    suite: &str,
    backends: Backends,
) -> Result<Machine, MachineError> {
    let words = guest::hostel_parameters(CONSOLE, Some(""));
    let config = Config::built_in(
        cpus,
        experiment.memory,
        Image::Bytes(guest::kernel().into()),
        guest::initrd(Some(suite.as_bytes())),
        format!("{words} {}", experiment.append),
    );
    let timeline = Arc::new(Timeline::new(Instant::now()));
    Machine::build(config, backends, timeline)
}

/// Nothing is looked at but those timers.
pub(super) fn watch(timers: Vec<Arc<Mutex<dyn TimedDevice>>>) -> Watch {
    Watch {
        input: None,
        escape: false,
        screen: None,
        timeout: None,
        signals: None,
        timers,
    }
}

pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a VM whose guest ends no run for too long.
struct Patience {
    timer: TimerFd,
    time: Duration,
    ends: Option<Arc<Shared>>,
}

impl Patience {
    fn new(time: Duration) -> io::Result<Self> {
        let mut patience = Self {
            timer: TimerFd::new()?,
            time,
            ends: None,
        };
        patience.begin()?;
        Ok(patience)
    }

    fn begin(&mut self) -> io::Result<()> {
        Ok(self.timer.reset(self.time, None)?)
    }
}

impl TimedDevice for Patience {
    fn timer_fd(&self) -> RawFd {
        self.timer.as_raw_fd()
    }

    fn timer_expired(&mut self) {
        if let Some(shared) = self.ends.take() {
            shared.end(HaltReason::Timeout);
        }
    }
}

/// Tells of progress, and has patience anew with each.
struct Watched {
    progress: Box<dyn Progress>,
    patience: Arc<Mutex<Patience>>,
}

impl Progress for Watched {
    fn text(&mut self, bytes: &[u8]) {
        self.progress.text(bytes);
    }

    fn started(&mut self, id: &str) {
        self.progress.started(id);
    }

    fn ended(&mut self, result: &CheckResult) {
        // A timer that was set once can be set again.
        let _ = lock(&self.patience).begin();
        self.progress.ended(result);
    }

    fn note(&mut self, line: &str) {
        self.progress.note(line);
    }
}

/// Ends all VMs when a signal comes.
pub(super) struct Stop(Arc<Stopped>);

#[derive(Default)]
struct Stopped {
    /// The signal; 0 is none.
    signal: AtomicU8,
    machines: Mutex<Vec<Arc<Shared>>>,
}

impl Stop {
    /// Listens to signals from now on.
    pub(super) fn new(mut signals: Signals) -> Self {
        let stopped = Arc::new(Stopped::default());
        let theirs = stopped.clone();
        // It waits as long as the process is there.
        thread::spawn(move || {
            loop {
                if let Some(number) = signals.wait() {
                    theirs.signal.store(number, Ordering::SeqCst);
                    for shared in lock(&theirs.machines).iter() {
                        shared.end(HaltReason::Signal(number));
                    }
                }
            }
        });
        Self(stopped)
    }

    /// The signal that has come.
    pub(super) fn signal(&self) -> Option<u8> {
        match self.0.signal.load(Ordering::SeqCst) {
            0 => None,
            number => Some(number),
        }
    }

    /// Ends that VM, too, as long as the guard lives.
    fn watch(&self, shared: &Arc<Shared>) -> StopGuard<'_> {
        lock(&self.0.machines).push(shared.clone());
        if let Some(number) = self.signal() {
            shared.end(HaltReason::Signal(number));
        }
        StopGuard {
            stop: self,
            shared: shared.clone(),
        }
    }
}

/// See [`Stop::watch`].
struct StopGuard<'a> {
    stop: &'a Stop,
    shared: Arc<Shared>,
}

impl Drop for StopGuard<'_> {
    fn drop(&mut self) {
        lock(&self.stop.0.machines).retain(|other| !Arc::ptr_eq(other, &self.shared));
    }
}
