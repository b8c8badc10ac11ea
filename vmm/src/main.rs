//! `hostel`: the command line, and its exit status.
//!
//! `main` is C's, not Rust's: what the Rust runtime does before it (looking for a guard page in
//! /proc/self/maps, a signal stack for each thread) is 3 % of the time to a guest's first byte.
//! What it does that is wanted is done here: SIGPIPE is ignored, output flushed at the end.
#![no_main]
#![expect(unsafe_code, reason = "the C library looks for `main` by that name")]

mod cli;

use clap::Parser;
use clap::error::ErrorKind;
use cli::{
    Cli, Command, CompareArgs, ConsoleArg, CpuArg, DeviceArg, GuestCommand, LabArgs, RunArgs,
    TransportArg, UnknownMsrArg,
};
use std::ffi::c_int;
use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};
use vmm::boot::AcpiTables;
use vmm::device_manager::TransportKind;
use vmm::halt::status;
use vmm::kvm::{CpuModel, Level};
use vmm::msr::MsrPolicy;
use vmm::run::{ConsoleDevice, Kernel, Wishes};
use vmm::{compare, doctor, guest, lab, run};

#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    let start = Instant::now();
    vmm::signals::ignore_broken_pipes();
    vmm::memory::share_heap();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error).into(),
    };
    let status = match cli.command {
        Command::Run(args) => run_guest(*args, start),
        Command::Compare(args) => compare_paths(args),
        Command::Lab(args) => do_experiments(args),
        Command::Doctor => {
            let (text, status) = doctor::render(&doctor::findings());
            print(&text);
            status
        }
        Command::Guest(GuestCommand::Export { dir }) => match guest::export(&dir) {
            Ok(files) => {
                files
                    .iter()
                    .for_each(|file| print(&format!("{}\n", file.display())));
                status::OK
            }
            Err(error) => {
                eprintln!("hostel: {} cannot be written to: {error}", dir.display());
                status::USAGE
            }
        },
    };
    let _ = std::io::stdout().flush();
    status.into()
}

/// Prints the help that was asked for, or one line on what is wrong with the command line.
fn explain(error: &clap::Error) -> u8 {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            let _ = error.print();
            status::OK
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            status::USAGE
        }
        _ => {
            let text = error.to_string();
            let lines = text.lines().take_while(|line| !line.starts_with("Usage:"));
            let words = lines
                .flat_map(str::split_whitespace)
                .collect::<Vec<_>>()
                .join(" ");
            let what = words.trim_start_matches("error: ");
            let what = what.trim_end_matches("For more information, try '--help'.");
            eprintln!("hostel: {}; see --help", what.trim_end());
            status::USAGE
        }
    }
}

/// Writes to standard output; a closed pipe is the reader's wish.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Longest time of a suite, unless the user says another.
const SUITE_TIMEOUT: Duration = Duration::from_secs(120);

fn compare_paths(args: CompareArgs) -> u8 {
    if args.list {
        print(&compare::list());
        return status::OK;
    }
    let wishes = compare::Wishes {
        workloads: args.workloads,
        paths: args.paths,
        runs: args.runs,
        cpus: args.cpus,
        report: args.report,
        out: args.out,
        guest: match (args.guest, args.initrd) {
            (Some(kernel), Some(initrd)) => compare::Guest::Files { kernel, initrd },
            _ => compare::Guest::BuiltIn,
        },
    };
    match compare::compare(&wishes) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("hostel: {}", vmm::chain(&error));
            error.status()
        }
    }
}

fn do_experiments(args: LabArgs) -> u8 {
    let done = match args.list {
        true => lab::list().map(|text| {
            print(&text);
            status::OK
        }),
        false => lab::lab(&lab::Wishes {
            experiments: args.experiments,
            cpus: args.cpus,
            set: args.set,
            short: args.short,
            at_once: args.at_once,
            report: args.report,
            out: args.out,
        }),
    };
    done.unwrap_or_else(|error| {
        eprintln!("hostel: {}", vmm::chain(&error));
        error.status()
    })
}

fn run_guest(args: RunArgs, start: Instant) -> u8 {
    let level = match args.verbose {
        0 => log::LevelFilter::Warn,
        1 => log::LevelFilter::Info,
        _ => log::LevelFilter::Debug,
    };
    env_logger::Builder::new()
        .filter_level(level)
        .format_timestamp(None)
        .init();
    match run::run(&wishes(args), start) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("hostel: {}", vmm::chain(&error));
            error.status()
        }
    }
}

fn wishes(args: RunArgs) -> Wishes {
    let built_in = args.kernel.is_none();
    let suite = match args.suite.as_deref() {
        None => Some(guest::DEFAULT_SUITE.to_owned()),
        Some("none") => None,
        Some(name) => Some(name.to_owned()),
    };
    let default_timeout = (built_in && suite.is_some()).then_some(SUITE_TIMEOUT);
    Wishes {
        cpus: args.cpus.unwrap_or_else(|| default_cpus(built_in)),
        kernel: match args.kernel {
            Some(kernel) => Kernel::File {
                kernel,
                flat: args.flat,
                initrd: args.initrd,
                modules: args
                    .modules
                    .into_iter()
                    .map(|module| (module.path, module.words))
                    .collect(),
            },
            None => Kernel::BuiltIn { suite },
        },
        cpu_model: match args.cpu {
            CpuArg::Host => CpuModel::Host,
            CpuArg::V1 => CpuModel::Level(Level::V1),
            CpuArg::V2 => CpuModel::Level(Level::V2),
            CpuArg::V3 => CpuModel::Level(Level::V3),
        },
        unknown_msrs: match args.unknown_msr {
            UnknownMsrArg::Gp => MsrPolicy::Gp,
            UnknownMsrArg::Zero => MsrPolicy::Zero,
            UnknownMsrArg::Log => MsrPolicy::Log,
        },
        append: args.append.unwrap_or_default(),
        memory: args.memory,
        disks: args.disks,
        networks: args.networks,
        console: match args.console {
            Some(ConsoleArg::Serial) => ConsoleDevice::Serial,
            Some(ConsoleArg::Virtio) => ConsoleDevice::Virtio,
            Some(ConsoleArg::Vga) => ConsoleDevice::Vga,
            None if built_in => ConsoleDevice::Virtio,
            None => ConsoleDevice::Serial,
        },
        vsock: args.vsock.map(|vsock| (vsock.cid, vsock.path)),
        balloon: args.balloon,
        transport: match args.transport {
            TransportArg::Pci => TransportKind::Pci,
            TransportArg::Mmio => TransportKind::Mmio,
        },
        // The built-in guest reads the devices' parameters instead.
        acpi: match args.no_acpi || built_in {
            true => AcpiTables::Absent,
            false => AcpiTables::Present,
        },
        com2: args.com2,
        debug_exit: args.debug_exit,
        test_device: args.devices.contains(&DeviceArg::Testdev),
        report: args.report,
        stats: args.stats,
        timeout: args.timeout.map(Duration::from_secs).or(default_timeout),
    }
}

/// The built-in suite shows more on two processors, if the host has them.
fn default_cpus(built_in: bool) -> u8 {
    let several = || thread::available_parallelism().is_ok_and(|host| host.get() > 1);
    if built_in && several() { 2 } else { 1 }
}
