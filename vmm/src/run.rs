//! `hostel run`: a guest from the user's wishes to its exit status.
//!
//! [`prepare`] finds what is wrong with the wishes before anything starts; [`run`] builds the
//! machine, supervises it, and shows and writes what came of it.

use crate::device_manager::{Backends, Sink};
use crate::doctor::Probe;
use crate::guest;
use crate::halt::{HaltReason, status};
use crate::input::InputPort;
use crate::kvm::Kvm;
use crate::machine::{Config, Image, Machine, MachineError, Point, Timeline};
use crate::memory::{self, MemorySize};
use crate::progress::Screen;
use crate::report::{HaltReport, HostReport, Report, VmReport};
use crate::signals::Signals;
use crate::stream::Splitter;
use crate::suite::{CheckResult, ExitCounters, GuestPanic, SuiteLog};
use crate::supervisor::{Watch, supervise};
use crate::terminal::RawMode;
use crate::{symbols, table};
use abi::port::{Exit, Mark};
use abi::record::Outcome;
use devices::virtio::blk::disk::{DiskAccess, DiskError, DiskFile};
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What the user asked for.
pub struct Wishes {
    /// What boots.
    pub kernel: Kernel,
    /// Words for the kernel command line.
    pub append: String,
    /// vCPUs.
    pub cpus: u8,
    /// Memory.
    pub memory: MemorySize,
    /// Disks: path and access.
    pub disks: Vec<(PathBuf, DiskAccess)>,
    /// Device of the guest's console.
    pub console: ConsoleDevice,
    /// File for the report.
    pub report: Option<PathBuf>,
    /// Whether to show exits.
    pub stats: bool,
    /// Longest time.
    pub timeout: Option<Duration>,
}

/// What boots.
pub enum Kernel {
    /// A file, with its initrd.
    File {
        /// ELF kernel.
        kernel: PathBuf,
        /// Initrd.
        initrd: Option<PathBuf>,
    },
    /// The built-in guest.
    BuiltIn {
        /// Suite to run; without one, the guest's `init` says what it finds.
        suite: Option<String>,
    },
}

/// Device of the guest's console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleDevice {
    /// 16550 UART.
    Serial,
    /// virtio-console.
    Virtio,
}

impl ConsoleDevice {
    /// Name in reports.
    fn name(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::Virtio => "virtio",
        }
    }

    /// Name that guests have for it.
    fn guest_name(self) -> &'static str {
        match self {
            Self::Serial => "ttyS0",
            Self::Virtio => "hvc0",
        }
    }
}

/// Why a run did not come to an end of its own.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// No such suite.
    #[error("there is no suite {name:?}: choose one of {}, or none",
        guest::suite_names().collect::<Vec<_>>().join(", "))]
    NoSuite {
        /// Asked for.
        name: String,
    },
    /// A file that the user named cannot be opened.
    #[error("{what} {path}")]
    Open {
        /// What it is to be.
        what: &'static str,
        /// Where.
        path: String,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// The kernel or initrd is a folder or the like.
    #[error("{what} {path} is not a file")]
    NotAFile {
        /// What it is to be.
        what: &'static str,
        /// Where.
        path: String,
    },
    /// A disk cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// There is no machine.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The terminal or the event loop failed.
    #[error("the host failed")]
    Host(#[source] io::Error),
}

impl RunError {
    /// Exit status of the process.
    pub fn status(&self) -> u8 {
        match self {
            Self::NoSuite { .. } | Self::Open { .. } | Self::NotAFile { .. } => status::USAGE,
            Self::Disk(_) => status::USAGE,
            Self::Machine(error) => error.status(),
            Self::Host(_) => status::HOST,
        }
    }
}

/// Everything that was found good before the guest starts.
struct Prepared {
    kernel: Image,
    initrd: Option<Image>,
    cmdline: String,
    disks: Vec<DiskFile>,
    report: Option<File>,
    log: SharedLog,
    counters: ExitCounters,
}

/// The suite's log, which both consoles write to. Without a suite it hears nothing.
type SharedLog = Arc<Mutex<SuiteLog>>;

/// Runs a guest; `start` is when the process began. Returns the exit status.
pub fn run(wishes: &Wishes, start: Instant) -> Result<u8, RunError> {
    let prepared = prepare(wishes)?;
    let timeline = Arc::new(Timeline::new(start));
    let (log, counters) = (prepared.log, prepared.counters);
    let backends = Backends {
        serial: sink(wishes, &log),
        console: sink(wishes, &log),
        on_mark: on_mark(timeline.clone()),
        disks: prepared.disks,
    };
    let config = Config {
        cpus: wishes.cpus,
        memory: wishes.memory,
        kernel: prepared.kernel,
        initrd: prepared.initrd,
        cmdline: prepared.cmdline,
    };
    let signals = Signals::take().map_err(RunError::Host)?;
    let mut machine = Machine::build(config, backends, timeline)?;
    let halt = boot_and_watch(wishes, &machine, signals, &counters)?;
    let overhead = match prepared.report {
        Some(_) => vmm_overhead().map_err(RunError::Host)?,
        None => 0,
    };
    machine.stop();
    let (checks, panic) = log.lock().unwrap_or_else(PoisonError::into_inner).finish();
    let status = final_status(&halt, &checks);
    show(wishes, &machine, &checks, panic.as_ref());
    if let Some(file) = prepared.report {
        let report = report(wishes, &machine, checks.clone(), (&halt, status), overhead);
        report.write(file).map_err(RunError::Host)?;
    }
    say_why(&halt, &checks, status);
    Ok(status)
}

/// Resident bytes that are not the guest's, once the start of this program is given back.
fn vmm_overhead() -> io::Result<u64> {
    memory::release_startup_pages();
    Ok(memory::resident_bytes()?.1)
}

fn prepare(wishes: &Wishes) -> Result<Prepared, RunError> {
    let report = match &wishes.report {
        Some(path) => {
            Some(File::create(path).map_err(open_error("the report cannot be written to", path))?)
        }
        None => None,
    };
    let mut disks = Vec::new();
    let (kernel, initrd, mut cmdline, plan) = match &wishes.kernel {
        Kernel::File { kernel, initrd } => {
            let initrd = match initrd {
                Some(path) => Some(Image::File(open("initrd", path)?)),
                None => None,
            };
            (
                Image::File(open("kernel", kernel)?),
                initrd,
                String::new(),
                Vec::new(),
            )
        }
        Kernel::BuiltIn { suite } => {
            let text = match suite {
                Some(name) => guest::suite_text(name).map(Some).ok_or_else(|| {
                    let name = name.clone();
                    RunError::NoSuite { name }
                })?,
                None => None,
            };
            disks.push(DiskFile::temporary(abi::image::SCRATCH_DISK_BYTES)?);
            let initrd = Image::Made(guest::initrd(text));
            let cmdline = guest::hostel_parameters(wishes.console.guest_name(), suite.as_deref());
            let plan = text.map_or(Vec::new(), guest::planned_checks);
            (
                Image::Embedded(guest::kernel()),
                Some(initrd),
                cmdline,
                plan,
            )
        }
    };
    for (path, access) in &wishes.disks {
        disks.push(DiskFile::open(path, *access)?);
    }
    if !wishes.append.is_empty() {
        cmdline = [cmdline.as_str(), wishes.append.as_str()]
            .join(" ")
            .trim()
            .to_owned();
    }
    let counters = ExitCounters::default();
    let screen = Box::new(Screen::new(plan.len() as u64));
    let log = Arc::new(Mutex::new(SuiteLog::new(plan, counters.clone(), screen)));
    Ok(Prepared {
        kernel,
        initrd,
        cmdline,
        disks,
        report,
        log,
        counters,
    })
}

fn open_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RunError {
    let path = path.display().to_string();
    move |source| RunError::Open { what, path, source }
}

fn open(what: &'static str, path: &Path) -> Result<File, RunError> {
    let file = File::open(path).map_err(open_error(what, path))?;
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    let path = path.display().to_string();
    if is_file {
        Ok(file)
    } else {
        Err(RunError::NotAFile { what, path })
    }
}

/// Where a console's output goes: to the user as it is, or through the suite's log.
fn sink(wishes: &Wishes, log: &SharedLog) -> Sink {
    match wishes.kernel {
        Kernel::File { .. } => Box::new(Unbuffered(io::stdout())),
        Kernel::BuiltIn { .. } => Box::new(LogSink(Splitter::new(log.clone()))),
    }
}

/// Standard output without a wait for the end of the line.
struct Unbuffered(io::Stdout);

impl Write for Unbuffered {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut out = self.0.lock();
        let count = out.write(bytes)?;
        out.flush()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A console of the built-in guest.
struct LogSink(Splitter<SharedLog>);

impl Write for LogSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.feed(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn on_mark(timeline: Arc<Timeline>) -> Box<dyn FnMut(u8) + Send> {
    Box::new(move |byte| match Mark::from_byte(byte) {
        Some(Mark::Kernel) => timeline.note(Point::GuestKernel),
        Some(Mark::User) => timeline.note(Point::GuestUser),
        None => {}
    })
}

/// From the first instruction to the end.
fn boot_and_watch(
    wishes: &Wishes,
    machine: &Machine,
    signals: Signals,
    counters: &ExitCounters,
) -> Result<HaltReason, RunError> {
    let stdin = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(RunError::Host)?;
    let port = match wishes.console {
        ConsoleDevice::Serial => InputPort::Serial(machine.serial.clone()),
        ConsoleDevice::Virtio => InputPort::Virtio(machine.console_input.clone()),
    };
    let interactive = !matches!(wishes.kernel, Kernel::BuiltIn { suite: Some(_) });
    let raw = if interactive {
        RawMode::enter().map_err(RunError::Host)?
    } else {
        None
    };
    let watch = Watch {
        input: interactive.then(|| (File::from(stdin), port)),
        escape: raw.is_some(),
        timeout: wishes.timeout,
        signals: Some(signals),
    };
    // Nobody else sets it.
    let _ = counters.set(machine.counters());
    machine.start();
    supervise(machine, watch).map_err(RunError::Host)
}

fn final_status(halt: &HaltReason, checks: &[CheckResult]) -> u8 {
    let failed = checks.iter().any(|check| check.outcome == Outcome::Fail);
    match halt.status() {
        status::OK if failed => status::FAILED,
        status => status,
    }
}

fn show(wishes: &Wishes, machine: &Machine, checks: &[CheckResult], panic: Option<&GuestPanic>) {
    let mut out = String::new();
    if !checks.is_empty() {
        out.push_str(&table::checks(checks));
    }
    if wishes.stats || !checks.is_empty() {
        out.push('\n');
        out.push_str(&table::exits(&machine.exits()));
        out.push_str(&table::refused(&machine.refused()));
    }
    if let Some(panic) = panic {
        let symbols = symbols::Symbols::of(guest::kernel());
        out.push_str(&table::panic(panic, |address| symbols.name(address)));
    }
    // A closed pipe is the reader's wish.
    let _ = io::stdout().write_all(out.as_bytes());
}

/// The one line on stderr that a status other than 0 comes with.
fn say_why(halt: &HaltReason, checks: &[CheckResult], status: u8) {
    if status == status::OK {
        return;
    }
    let failed = checks.iter().filter(|check| check.outcome == Outcome::Fail);
    let failed: Vec<&str> = failed.map(|check| check.id.as_str()).collect();
    let ended = matches!(halt, HaltReason::PowerOff | HaltReason::Reset)
        || *halt == HaltReason::DebugExit(Exit::Failed as u8);
    if ended && !failed.is_empty() {
        eprintln!(
            "hostel: checks failed: {}; the table above says what was found",
            failed.join(", ")
        );
    } else {
        eprintln!("hostel: {halt}");
    }
}

fn report(
    wishes: &Wishes,
    machine: &Machine,
    checks: Vec<CheckResult>,
    (halt, status): (&HaltReason, u8),
    vmm_overhead_bytes: u64,
) -> Report {
    let probe = Kvm::open().ok().and_then(|kvm| Probe::kind_only(&kvm).ok());
    let (kernel, suite) = match &wishes.kernel {
        Kernel::File { kernel, .. } => (kernel.display().to_string(), None),
        Kernel::BuiltIn { suite } => ("built-in".to_owned(), suite.clone()),
    };
    Report {
        hostel: env!("CARGO_PKG_VERSION"),
        host: HostReport::new(probe.as_ref()),
        vm: VmReport {
            cpus: wishes.cpus,
            memory_bytes: wishes.memory.0,
            kernel,
            suite,
            console: wishes.console.name(),
            disks: wishes
                .disks
                .iter()
                .map(|(path, _)| path.display().to_string())
                .collect(),
        },
        timeline_us: (&*machine.timeline).into(),
        checks,
        exits: machine.exits(),
        refused: machine.refused(),
        halt: HaltReport::new(halt, status),
        vmm_overhead_bytes,
    }
}
