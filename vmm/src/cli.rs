//! The command line.

use clap::{Args, Parser, Subcommand, ValueEnum};
use devices::virtio::vsock::GUEST_CIDS;
use std::path::PathBuf;
use std::str::FromStr;
use vmm::memory::MemorySize;
use vmm::run::{DiskWish, Network};

/// A hypervisor that can be seen through.
#[derive(Parser)]
#[command(name = "hostel", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Boot a kernel, or the built-in guest and its suite
    Run(Box<RunArgs>),
    /// Do the same work over each way to a device, and show what each way costs
    Compare(CompareArgs),
    /// Do experiments of an operating-systems course, and show what came of them
    Lab(LabArgs),
    /// Say whether this host can run guests, and what it costs there
    Doctor,
    /// The built-in guest
    #[command(subcommand)]
    Guest(GuestCommand),
}

#[derive(Args)]
pub(crate) struct CompareArgs {
    /// Workloads, of those that --list names [default: all]
    #[arg(value_name = "WORKLOAD")]
    pub(crate) workloads: Vec<String>,
    /// Paths, of those that --list names [default: all]
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    pub(crate) paths: Vec<String>,
    /// Runs of each workload by each path, of which the median is shown
    #[arg(long, value_name = "N", default_value_t = 5)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) runs: u32,
    /// Virtual processors
    #[arg(long, value_name = "N", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) cpus: u8,
    /// Write the figures as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Write the figures there as JSON, CSV, charts and a page [index.html] that shows them all
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Kernel of a guest like the built-in one, which does the work instead
    #[arg(long, value_name = "KERNEL", requires = "initrd")]
    pub(crate) guest: Option<PathBuf>,
    /// Initial RAM disk of that guest; what it holds as a suite is replaced
    #[arg(long, value_name = "FILE", requires = "guest")]
    pub(crate) initrd: Option<PathBuf>,
    /// Say what workloads and paths there are
    #[arg(long)]
    pub(crate) list: bool,
}

#[derive(Args)]
pub(crate) struct LabArgs {
    /// Experiments or families of them, of those that --list names, or files of your own, which end
    /// in .toml [default: all]
    #[arg(value_name = "EXPERIMENT")]
    pub(crate) experiments: Vec<String>,
    /// Say what experiments there are
    #[arg(long)]
    pub(crate) list: bool,
    /// Virtual processors [default: what an experiment's file says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) cpus: Option<u8>,
    /// Give a setting of the experiments another value; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) set: Vec<(String, String)>,
    /// The short form: the values that experiments have for it
    #[arg(long)]
    pub(crate) short: bool,
    /// VMs at once [default: as many as there are processors for]
    #[arg(short = 'j', value_name = "N", value_parser = at_once)]
    pub(crate) at_once: Option<usize>,
    /// Write the results as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Write the results there as JSON, CSV, charts and a page [index.html] that shows them all
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

/// A name and a value.
fn setting(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("a setting is NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// A number of VMs.
fn at_once(text: &str) -> Result<usize, &'static str> {
    let number = text.parse().ok().filter(|number| (1..=64).contains(number));
    number.ok_or("a number of VMs is 1 to 64")
}

#[derive(Subcommand)]
pub(crate) enum GuestCommand {
    /// Write kernel, initrd and command line to a folder, for another VMM
    Export {
        /// Folder, made if it is not there
        dir: PathBuf,
    },
}

#[derive(Args)]
pub(crate) struct RunArgs {
    /// Kernel: bzImage, vmlinux, or ELF by PVH or multiboot [default: the built-in guest]
    pub(crate) kernel: Option<PathBuf>,
    /// Initial RAM disk for KERNEL
    #[arg(long, value_name = "FILE", requires = "kernel")]
    pub(crate) initrd: Option<PathBuf>,
    /// Module for a multiboot or PVH kernel, with words; may be given several times
    #[arg(long = "module", value_name = "FILE[ WORDS]", requires = "kernel")]
    pub(crate) modules: Vec<ModuleArg>,
    /// KERNEL is a flat 16-bit image: load it at this address and start it there in real mode
    #[arg(long, value_name = "ADDRESS", requires = "kernel", value_parser = address)]
    #[arg(conflicts_with_all = ["append", "initrd", "modules"])]
    pub(crate) flat: Option<u64>,
    /// Words for the kernel command line
    #[arg(long, value_name = "WORDS")]
    pub(crate) append: Option<String>,
    /// Virtual processors, 1 to 16 [default: 1; 2 for the built-in guest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) cpus: Option<u8>,
    /// What the processors can: all that the host can, or a level of the x86-64 psABI
    #[arg(long, value_enum, value_name = "MODEL", default_value = "host")]
    pub(crate) cpu: CpuArg,
    /// What a guest's access to an MSR that KVM does not know gives: a general protection fault;
    /// zero; zero with a line for the first access
    #[arg(long, value_enum, value_name = "POLICY", default_value = "gp")]
    pub(crate) unknown_msr: UnknownMsrArg,
    /// Memory, such as 128M or 2G; at least 16M
    #[arg(long, value_name = "SIZE", default_value = "128M")]
    pub(crate) memory: MemorySize,
    /// Raw disk image, read-only with `,ro`, on IDE instead of virtio with `,ide`, on virtio with
    /// so many queues; may be given several times
    #[arg(long = "disk", value_name = "PATH[,ro][,ide][,queues=N]")]
    pub(crate) disks: Vec<DiskWish>,
    /// TAP or Unix stream socket, such as passt's, with a virtio card or another; may be given
    /// several times
    #[arg(
        long = "net",
        value_name = "tap=NAME|stream=PATH[,card=CARD][,mac=ADDRESS][,queues=N]"
    )]
    pub(crate) networks: Vec<Network>,
    /// Device of the guest's console [default: serial; virtio for the built-in guest]
    #[arg(long, value_enum)]
    pub(crate) console: Option<ConsoleArg>,
    /// Sockets between guest and host: the guest's address, from 3, and a path for a Unix socket
    #[arg(long, value_name = "CID,PATH")]
    pub(crate) vsock: Option<VsockArg>,
    /// Memory that the guest is asked to give back; 0M to take only what it reports as free
    #[arg(long, value_name = "SIZE", value_parser = MemorySize::parse_any)]
    pub(crate) balloon: Option<MemorySize>,
    /// How the guest reaches virtio devices
    #[arg(long, value_enum, value_name = "KIND", default_value = "pci")]
    pub(crate) transport: TransportArg,
    /// Leave the ACPI tables out; the MP table stays
    #[arg(long)]
    pub(crate) no_acpi: bool,
    /// Write the output of the second serial port there [default: nowhere]
    #[arg(long, value_name = "FILE")]
    pub(crate) com2: Option<PathBuf>,
    /// A byte to this port ends KERNEL with status value * 2 + 1, as QEMU's isa-debug-exit does
    #[arg(long, value_name = "PORT", value_parser = port, requires = "kernel")]
    pub(crate) debug_exit: Option<u16>,
    /// More devices
    #[arg(long = "device", value_name = "NAME", value_enum)]
    pub(crate) devices: Vec<DeviceArg>,
    /// Suite that the built-in guest runs, or none [default: default]
    #[arg(long, value_name = "NAME", conflicts_with = "kernel")]
    pub(crate) suite: Option<String>,
    /// Write results, exits and times as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,
    /// Print exits by kind and device
    #[arg(long)]
    pub(crate) stats: bool,
    /// End the guest after so many seconds [default: 120 for a suite, else none]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: Option<u64>,
    /// Say more; twice, more still
    #[arg(short, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ConsoleArg {
    /// 16550 UART
    Serial,
    /// virtio-console
    Virtio,
    /// Keyboard and text screen
    Vga,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DeviceArg {
    /// Ports that kernels use which were written to be tested on QEMU
    Testdev,
}

/// A port, in decimal or, with 0x, in hexadecimal.
fn port(text: &str) -> Result<u16, String> {
    let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u16::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.map_err(|_| "a port is a number from 0 to 0xffff, such as 0xf4".to_owned())
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum TransportArg {
    /// virtio over PCI
    Pci,
    /// virtio over MMIO
    Mmio,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum CpuArg {
    Host,
    #[value(name = "x86-64-v1")]
    V1,
    #[value(name = "x86-64-v2")]
    V2,
    #[value(name = "x86-64-v3")]
    V3,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum UnknownMsrArg {
    Gp,
    Zero,
    Log,
}

/// `FILE` or `FILE WORDS`.
#[derive(Clone)]
pub(crate) struct ModuleArg {
    pub(crate) path: PathBuf,
    pub(crate) words: String,
}

impl FromStr for ModuleArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A module is known by its file, too: the words begin with that.
        let path = text.split(' ').next().unwrap_or(text);
        match path {
            "" => Err("a module needs a file"),
            path => Ok(Self {
                path: path.into(),
                words: text.to_owned(),
            }),
        }
    }
}

/// `CID,PATH`.
#[derive(Clone)]
pub(crate) struct VsockArg {
    pub(crate) cid: u32,
    pub(crate) path: PathBuf,
}

impl FromStr for VsockArg {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (cid, path) = text.split_once(',').unwrap_or((text, ""));
        let cid = cid.parse().ok().filter(|cid| GUEST_CIDS.contains(cid));
        let cid = cid.ok_or("a guest's address is a number from 3 to 4294967294, such as 3")?;
        match path {
            "" => Err("sockets need a path after the address, such as 3,/tmp/vm.sock"),
            path => Ok(Self {
                cid,
                path: path.into(),
            }),
        }
    }
}

/// An address, in hexadecimal with `0x`.
fn address(text: &str) -> Result<u64, &'static str> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    number.map_err(|_| "an address is a number, such as 0x7c00")
}
