//! `hostel run`: a guest from the user's wishes to its exit status.
//!
//! `prepare` finds what is wrong with the [`Wishes`] before anything starts; [`run`] builds the
//! machine, supervises it, and shows and writes what came of it. The guest's consoles end in
//! `outlet`, and from there in `bursts` on standard output.

mod bursts;
mod disk;
mod network;
mod outlet;
mod prepare;
mod wishes;

pub use disk::{DiskInterface, DiskSyntaxError, DiskWish};
pub use network::{Card, HostNetwork, Network, NetworkError, NetworkSyntaxError, OpenNetwork};
pub use wishes::{ConsoleDevice, Kernel, RunError, Wishes};

use crate::boot::platform::Keyboard;
use crate::device_manager::{Backends, PcBackends};
use crate::guest;
use crate::halt::{HaltReason, status};
use crate::input::InputPort;
use crate::machine::{Config, Machine, Timeline};
use crate::memory;
use crate::report::{HaltReport, HostReport, Report, VmReport};
use crate::screen::{Show, Snapshot};
use crate::signals::Signals;
use crate::suite::{CheckResult, ExitCounters, GuestPanic, SuiteLog};
use crate::supervisor::{Watch, supervise};
use crate::terminal::RawMode;
use crate::{symbols, table};
use abi::port::Exit;
use abi::record::Outcome;
use bursts::{Bursts, Flusher};
use outlet::{Tail, com2, on_mark, sink};
use prepare::prepare;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The suite's log, which both consoles write to. Without a suite it hears nothing.
type SharedLog = Arc<Mutex<SuiteLog>>;

/// Runs a guest; `start` is when the process began. Returns the exit status.
pub fn run(wishes: &Wishes, start: Instant) -> Result<u8, RunError> {
    let prepared = prepare(wishes)?;
    let timeline = Arc::new(Timeline::new(start));
    let (log, counters) = (prepared.log, prepared.counters);
    let tail = Tail::default();
    let (mut out, flusher) = Bursts::new(io::stdout()).map_err(RunError::Host)?;
    let vm = vm_report(wishes, &prepared.networks);
    let backends = Backends {
        pc: PcBackends {
            serial: sink(wishes, &log, &tail, &out),
            com2: com2(prepared.com2),
            hypercalls: sink(wishes, &log, &tail, &out),
            on_mark: on_mark(timeline.clone()),
            keyboard: match wishes.console {
                ConsoleDevice::Vga => Keyboard::Present,
                ConsoleDevice::Serial | ConsoleDevice::Virtio => Keyboard::Absent,
            },
            debug_exit: wishes.debug_exit,
            test_device: wishes.test_device,
        },
        console: sink(wishes, &log, &tail, &out),
        more_consoles: Vec::new(),
        disks: prepared.disks,
        ide_disks: prepared.ide_disks,
        alarm: false,
        networks: prepared.networks,
        vsock: prepared.vsock,
        balloon: prepared.balloon,
    };
    let config = Config {
        cpus: wishes.cpus,
        memory: wishes.memory,
        cpu_model: wishes.cpu_model,
        unknown_msrs: wishes.unknown_msrs,
        kernel: prepared.boot.kernel,
        name: prepared.boot.name,
        flat: prepared.boot.flat,
        initrd: prepared.boot.initrd,
        modules: prepared.boot.modules,
        cmdline: prepared.boot.cmdline,
        transport: wishes.transport,
        acpi: wishes.acpi,
        kernel_counters: false,
    };
    let signals = Signals::take().map_err(RunError::Host)?;
    let mut machine = Machine::build(config, backends, timeline)?;
    let halt = boot_and_watch(wishes, &machine, (signals, flusher), &counters)?;
    let overhead = match prepared.report {
        Some(_) => vmm_overhead(machine.memory()).map_err(RunError::Host)?,
        None => 0,
    };
    machine.stop();
    // A closed pipe is the reader's wish.
    let _ = out.flush();
    tail.show();
    let (checks, panic) = log.lock().unwrap_or_else(PoisonError::into_inner).finish();
    let status = final_status(&halt, &checks);
    show(wishes, &machine, &checks, panic.as_ref());
    if let Some(file) = prepared.report {
        let report = report(
            wishes,
            vm,
            &machine,
            checks.clone(),
            (&halt, status),
            overhead,
        );
        report.write(file).map_err(RunError::Host)?;
    }
    say_why(&halt, &checks, status);
    Ok(status)
}

/// Resident bytes that are not the guest's, once the start of this program is given back.
fn vmm_overhead(memory: &memory::GuestMemory) -> io::Result<u64> {
    memory::release_startup_pages();
    Ok(memory::resident_bytes(memory)?.1)
}

/// From the first instruction to the end.
fn boot_and_watch(
    wishes: &Wishes,
    machine: &Machine,
    (signals, flusher): (Signals, Flusher),
    counters: &ExitCounters,
) -> Result<HaltReason, RunError> {
    let stdin = io::stdin()
        .as_fd()
        .try_clone_to_owned()
        .map_err(RunError::Host)?;
    let port = match wishes.console {
        ConsoleDevice::Serial => InputPort::Serial(machine.pc.serial.clone()),
        ConsoleDevice::Virtio => InputPort::Virtio(machine.console_input.clone()),
        ConsoleDevice::Vga => InputPort::Keyboard(machine.pc.keyboard.clone()),
    };
    let interactive = !matches!(wishes.kernel, Kernel::BuiltIn { suite: Some(_) });
    let raw = if interactive {
        RawMode::enter().map_err(RunError::Host)?
    } else {
        None
    };
    let screen = match wishes.console {
        ConsoleDevice::Vga => {
            let show = Show::new(machine.memory().clone(), machine.pc.vga.clone());
            Some(show.map_err(RunError::Host)?)
        }
        ConsoleDevice::Serial | ConsoleDevice::Virtio => None,
    };
    let watch = Watch {
        input: interactive.then(|| (File::from(stdin), port)),
        escape: raw.is_some(),
        screen,
        timeout: wishes.timeout,
        signals: Some(signals),
        timers: vec![Arc::new(Mutex::new(flusher))],
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
        out.push_str(&table::exits(&machine.exits(), &machine.coalesced()));
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

fn vm_report(wishes: &Wishes, networks: &[OpenNetwork]) -> VmReport {
    let (kernel, suite) = match &wishes.kernel {
        Kernel::File { kernel, .. } => (kernel.display().to_string(), None),
        Kernel::BuiltIn { suite } => ("built-in".to_owned(), suite.clone()),
    };
    let disks = wishes.disks.iter();
    VmReport {
        cpus: wishes.cpus,
        memory_bytes: wishes.memory.0,
        kernel,
        suite,
        console: wishes.console.name(),
        transport: wishes.transport.name(),
        disks: disks.map(|disk| disk.path.display().to_string()).collect(),
        networks: networks.iter().map(OpenNetwork::name).collect(),
    }
}

fn report(
    wishes: &Wishes,
    vm: VmReport,
    machine: &Machine,
    checks: Vec<CheckResult>,
    (halt, status): (&HaltReason, u8),
    vmm_overhead_bytes: u64,
) -> Report {
    Report {
        hostel: env!("CARGO_PKG_VERSION"),
        host: HostReport::probed(),
        vm,
        timeline_us: (&*machine.timeline).into(),
        checks,
        exits: machine.exits(),
        coalesced: machine.coalesced(),
        refused: machine.refused(),
        disk_failures: machine.disk_failures(),
        screen: screen_text(wishes, machine),
        unknown_msrs: machine.unknown_msrs(),
        balloon: machine
            .balloon
            .as_ref()
            .map(|balloon| balloon.status().into()),
        halt: HaltReport::new(halt, status),
        vmm_overhead_bytes,
    }
}

/// What a guest of the user's has left on its screen.
fn screen_text(wishes: &Wishes, machine: &Machine) -> Option<Vec<String>> {
    if matches!(wishes.kernel, Kernel::BuiltIn { .. }) {
        return None;
    }
    let snapshot = Snapshot::take(machine.memory(), &machine.pc.vga);
    (!snapshot.is_untouched()).then(|| snapshot.text())
}
