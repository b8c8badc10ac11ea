//! One VM of the built-in guest that does all runs of a comparison.

use super::disk;
use super::image::Guest;
use super::meter::{Insight, Meter, Span, on_mark};
use super::patience::{Patience, START_SECONDS};
use super::peer::Peer;
use super::plan::{self, Run};
use super::workload::RETURNED_BYTES;
use crate::device_manager::{Backends, PcBackends, Sink, VirtioDisk};
use crate::doctor::KvmKind;
use crate::guest::{self, InitrdError};
use crate::halt::{HaltReason, status};
use crate::machine::{Config, Machine, MachineError, Timeline};
use crate::memory::MemorySize;
use crate::output::files::{FolderError, ReportError};
use crate::progress::Screen;
use crate::report::HostReport;
use crate::run::{Card, OpenNetwork};
use crate::signals::Signals;
use crate::suite::{CheckResult, ExitCounters, LogSink, SuiteLog};
use crate::supervisor::{Watch, supervise};
use crate::table;
use abi::image::{HYPERCALLS_KVM, param};
use abi::metric::GIVEN_BYTES;
use abi::record::Outcome;
use devices::disk::DiskError;
use devices::net::mac::MacAddress;
use devices::virtio::blk::MAX_QUEUES;
use devices::virtio::net::MAX_PAIRS;
use std::io;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

const MEMORY: MemorySize = MemorySize(256 << 20);
const CONSOLE: &str = "hvc0";

/// Why there is no comparison.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// A name that there is not.
    #[error("there is no {what} {name:?}: choose of {known}")]
    Unknown {
        /// `workload` or `path`.
        what: &'static str,
        /// Asked for.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// The report cannot be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The folder for the results cannot be made or written to.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A chart could not be drawn.
    #[error("a chart could not be drawn: {0}")]
    Chart(String),
    /// A file of the guest that was asked for cannot be read.
    #[error("the guest cannot be read from {path}")]
    GuestFile {
        /// Where.
        path: String,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// What was asked for is not like the built-in guest.
    #[error("{path} is no initrd of a guest such as `hostel guest export` writes")]
    Initrd {
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: InitrdError,
    },
    /// The guest has not said in time that it runs.
    #[error(
        "the kernel has not said within {START_SECONDS} seconds that it runs, as one from \
         `hostel guest export` does"
    )]
    Silent,
    /// The guest has ended before it said that it runs.
    #[error("the kernel does not begin as one from `hostel guest export`: {0}")]
    NotOurs(HaltReason),
    /// No disk to work on.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is no machine.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The guest ended before its last run.
    #[error("the comparison was ended before its last run: {0}")]
    Ended(HaltReason),
    /// The host failed.
    #[error("the host failed")]
    Host(#[source] io::Error),
}

impl CompareError {
    /// Exit status of the process.
    pub fn status(&self) -> u8 {
        match self {
            Self::Unknown { .. }
            | Self::Report(_)
            | Self::Folder(_)
            | Self::GuestFile { .. }
            | Self::Initrd { .. } => status::USAGE,
            Self::Disk(_) | Self::Host(_) | Self::Chart(_) => status::HOST,
            Self::Silent => status::TIMEOUT,
            Self::NotOurs(_) => status::USAGE,
            Self::Machine(error) => error.status(),
            Self::Ended(halt) => halt.status(),
        }
    }
}

/// What came of a run: the guest's figures, and what the host counted meanwhile.
pub(super) struct Sample {
    pub(super) check: CheckResult,
    pub(super) span: Option<Span>,
}

impl Sample {
    /// As it is, or failed if memory that the guest says it has given away is still
    /// resident here; what else comes and goes meanwhile is little against that.
    fn verified(mut self) -> Self {
        let given = self.check.metrics.get(GIVEN_BYTES).copied().unwrap_or(0);
        let fallen = self.span.as_ref().map_or(0, |span| span.fallen_bytes);
        if self.check.outcome == Outcome::Pass && fallen < given - given / 8 {
            self.check.outcome = Outcome::Fail;
            self.check.detail = format!(
                "the guest gave {} away, of which the host got {}",
                table::bytes(given),
                table::bytes(fallen)
            );
        }
        self
    }
}

/// A disk for all, and on several processors one with a queue for each.
fn disks(cpus: u8) -> Result<Vec<VirtioDisk>, DiskError> {
    let mut disks = vec![VirtioDisk::new(disk::marked()?)];
    if cpus > 1 {
        let (file, queues) = (disk::marked()?, MAX_QUEUES.min(cpus.into()));
        disks.push(VirtioDisk { file, queues });
    }
    Ok(disks)
}

/// Names of the devices, and a sample for each run, in their order.
pub(super) struct Samples {
    pub(super) devices: Vec<String>,
    pub(super) samples: Vec<Sample>,
}

/// Does the runs on a machine of so many vCPUs on this host.
pub(super) fn run(
    runs: &[Run],
    cpus: u8,
    guest: &Guest,
    host: &HostReport,
) -> Result<Samples, CompareError> {
    let suite = plan::suite(runs);
    let counters = ExitCounters::default();
    let insight = Arc::new(OnceLock::new());
    let meter = Meter::new(counters.clone(), insight.clone());
    let screen = Box::new(Screen::new(runs.len() as u64));
    let checks = guest::planned_checks(suite.as_bytes());
    let log = Arc::new(Mutex::new(SuiteLog::new(checks, counters.clone(), screen)));
    let console = || -> Sink { Box::new(LogSink::new(log.clone())) };
    let plain = Backends::plain(&console);
    let backends = Backends {
        pc: PcBackends {
            on_mark: on_mark(meter.clone()),
            ..plain.pc
        },
        more_consoles: vec![console()],
        disks: disks(cpus)?,
        ide_disks: vec![disk::marked()?],
        alarm: true,
        networks: networks(cpus).map_err(CompareError::Host)?,
        balloon: Some(RETURNED_BYTES),
        ..plain
    };
    let timeline = Arc::new(Timeline::new(Instant::now()));
    let mut machine = Machine::build(config(&suite, cpus, guest, host)?, backends, timeline)?;
    // Nobody else sets it.
    let _ = counters.set(machine.counters());
    let _ = insight.set(Insight {
        kernel_counters: std::mem::take(&mut machine.kernel_counters),
        memory: machine.memory().clone(),
    });
    let patience = Patience::start(&machine, meter.clone()).map_err(CompareError::Host)?;
    let watch = Watch {
        input: None,
        escape: false,
        screen: None,
        timeout: None,
        signals: Some(Signals::take().map_err(CompareError::Host)?),
        timers: vec![Arc::new(Mutex::new(patience))],
    };
    machine.start();
    let halt = supervise(&machine, watch).map_err(CompareError::Host)?;
    machine.stop();
    let is_up = || meter.lock().unwrap_or_else(PoisonError::into_inner).is_up();
    if !is_up() {
        return Err(match halt {
            HaltReason::Timeout => CompareError::Silent,
            HaltReason::Signal(_) | HaltReason::HostError(_) => CompareError::Ended(halt),
            halt => CompareError::NotOurs(halt),
        });
    }
    if halt.status() > status::FAILED {
        return Err(CompareError::Ended(halt));
    }
    let (checks, _) = log.lock().unwrap_or_else(PoisonError::into_inner).finish();
    let mut meter = meter.lock().unwrap_or_else(PoisonError::into_inner);
    let samples = (0..).zip(checks).map(|(number, check)| {
        let span = meter.take(number);
        Sample { check, span }.verified()
    });
    Ok(Samples {
        devices: machine.device_names().to_vec(),
        samples: samples.collect(),
    })
}

/// A card of each kind, each with a peer, and virtio-net with a pair of queues for each processor.
fn networks(cpus: u8) -> io::Result<Vec<OpenNetwork>> {
    let pairs = MAX_PAIRS.min(cpus.into());
    let cards = [(Card::Virtio, pairs), (Card::E1000, 1), (Card::Ne2000, 1)];
    let network = |(position, (card, ports))| {
        Ok(OpenNetwork {
            backend: Box::new(Peer::new(ports)?),
            mac: MacAddress::local(position),
            card,
        })
    };
    (0..).zip(cards).map(network).collect()
}

/// Kernel parameters, with a word about what this host's KVM can do.
fn cmdline(host: &HostReport) -> String {
    let words = guest::hostel_parameters(CONSOLE, Some(""));
    match host.kvm {
        Some(KvmKind::Hardware) => format!("{words} {}={HYPERCALLS_KVM}", param::HYPERCALLS),
        Some(KvmKind::Software) | None => words,
    }
}

fn config(suite: &str, cpus: u8, guest: &Guest, host: &HostReport) -> Result<Config, CompareError> {
    let (kernel, initrd) = (guest.kernel()?, guest.initrd(suite)?);
    Ok(Config {
        kernel_counters: true,
        ..Config::built_in(cpus, MEMORY, kernel, initrd, cmdline(host))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::meter::Cpu;
    use crate::suite::Said;
    use abi::record::Subsystem;
    use std::collections::BTreeMap;

    const GIVEN: u64 = 4 << 20;

    fn sample(outcome: Outcome, fallen_bytes: Option<u64>) -> Sample {
        let metrics = [(GIVEN_BYTES.to_owned(), GIVEN)];
        let span = fallen_bytes.map(|fallen_bytes| Span {
            tallies: Vec::new(),
            cpu: Cpu::default(),
            kernel: BTreeMap::new(),
            fallen_bytes,
        });
        let check = CheckResult {
            id: "memory-return.balloon.0".to_owned(),
            subsystem: Subsystem::Io,
            outcome,
            detail: String::new(),
            metrics: metrics.into(),
            said: Said::default(),
        };
        Sample { check, span }
    }

    #[test]
    fn memory_that_did_not_come_back_spoils_a_run() {
        for fallen in [None, Some(0), Some(GIVEN / 2)] {
            let sample = sample(Outcome::Pass, fallen).verified();
            assert_eq!(sample.check.outcome, Outcome::Fail, "{fallen:?}");
            assert!(sample.check.detail.contains("4.00 MiB"), "{fallen:?}");
        }
        let returned = sample(Outcome::Pass, Some(GIVEN)).verified();
        assert_eq!(returned.check.outcome, Outcome::Pass);
        let failed = sample(Outcome::Fail, None).verified();
        assert_eq!(failed.check.detail, "", "what was wrong before stays");
    }
}
