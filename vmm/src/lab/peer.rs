//! [`Peer`]: the second VM of an experiment that has one. It does one program as long as the first VM is
//! there; the two are joined by their virtio network cards, over a pair of sockets.

use super::experiment::{Experiment, Run};
use super::vm::{PEER_CPUS, VmError, lock, machine, suite, watch};
use crate::device_manager::Backends;
use crate::guest;
use crate::halt::HaltReason;
use crate::run::{Card, OpenNetwork};
use crate::run_loop::Shared;
use crate::suite::{CheckResult, ExitCounters, LogSink, Progress, SuiteLog};
use crate::supervisor::supervise;
use abi::record::Outcome;
use devices::net::mac::MacAddress;
use devices::net::stream::Stream;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long its program may take: as long as any experiment.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

/// A VM beside another.
pub(super) struct Peer {
    shared: Arc<Shared>,
    log: Arc<Mutex<SuiteLog>>,
    failure: Failure,
    thread: Option<JoinHandle<()>>,
}

/// Why its program failed, if it did before it was ended.
type Failure = Arc<Mutex<Option<String>>>;

/// Waits for that alone.
struct Watched(Failure);

impl Progress for Watched {
    fn text(&mut self, _: &[u8]) {}

    fn started(&mut self, _: &str) {}

    fn ended(&mut self, result: &CheckResult) {
        if result.outcome == Outcome::Fail {
            *lock(&self.0) = Some(result.detail.clone());
        }
    }

    fn note(&mut self, _: &str) {}
}

/// One end of the network, for the VM of that position.
fn network(socket: UnixStream, position: u8) -> io::Result<OpenNetwork> {
    Ok(OpenNetwork {
        backend: Box::new(Stream::new("peer".to_owned(), socket)?),
        mac: MacAddress::local(position),
        card: Card::Virtio,
    })
}

impl Peer {
    /// Starts it, to do `run`; the other end of its network is for the first VM.
    pub(super) fn start(
        experiment: &Experiment,
        run: &Run,
    ) -> Result<(Self, OpenNetwork), VmError> {
        let (ours, theirs) = UnixStream::pair()?;
        let counters = ExitCounters::default();
        let suite = suite(std::slice::from_ref(run), LONG);
        let checks = guest::planned_checks(suite.as_bytes());
        let failure = Failure::default();
        let watched = Box::new(Watched(failure.clone()));
        let log = Arc::new(Mutex::new(SuiteLog::new(checks, counters.clone(), watched)));
        let backends = Backends {
            networks: vec![network(theirs, 1)?],
            ..Backends::plain(&|| Box::new(LogSink::new(log.clone())))
        };
        let mut machine = machine(experiment, PEER_CPUS, &suite, backends)?;
        // Nobody else sets it.
        let _ = counters.set(machine.counters());
        let shared = machine.shared().clone();
        let thread = thread::Builder::new().name("peer".to_owned());
        let thread = thread.spawn(move || {
            machine.start();
            // How it ends is asked for when the experiment is over.
            let _ = supervise(&machine, watch(Vec::new()));
            machine.stop();
        })?;
        let peer = Self {
            shared,
            log,
            failure,
            thread: Some(thread),
        };
        Ok((peer, network(ours, 0)?))
    }

    /// Ends it; what was wrong with it, if something was.
    pub(super) fn end(mut self) -> Option<String> {
        self.stop();
        if let (_, Some(panic)) = lock(&self.log).finish() {
            let message = panic.message;
            return Some(format!("the second VM's kernel panicked: {message}"));
        }
        let failure = lock(&self.failure).take();
        failure.map(|why| format!("the second VM's program failed: {why}"))
    }

    fn stop(&mut self) {
        self.shared.end(HaltReason::Quit);
        if let Some(thread) = self.thread.take() {
            // One that has panicked has said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop();
    }
}
