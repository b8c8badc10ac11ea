//! What the user asked for, and why it could not be.

use super::disk::DiskWish;
use super::network::{Network, NetworkError};
use crate::boot::AcpiTables;
use crate::device_manager::TransportKind;
use crate::guest;
use crate::halt::status;
use crate::kvm::CpuModel;
use crate::machine::MachineError;
use crate::memory::MemorySize;
use crate::msr::MsrPolicy;
use devices::disk::DiskError;
use devices::virtio::vsock::EndpointError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What the user asked for.
pub struct Wishes {
    /// What boots.
    pub kernel: Kernel,
    /// What the processors can.
    pub cpu_model: CpuModel,
    /// What becomes of MSRs that KVM does not know.
    pub unknown_msrs: MsrPolicy,
    /// Words for the kernel command line.
    pub append: String,
    /// vCPUs.
    pub cpus: u8,
    /// Memory.
    pub memory: MemorySize,
    /// Disks.
    pub disks: Vec<DiskWish>,
    /// Networks.
    pub networks: Vec<Network>,
    /// Device of the guest's console.
    pub console: ConsoleDevice,
    /// Sockets: the guest's address and the path where host programs meet them.
    pub vsock: Option<(u32, PathBuf)>,
    /// What the guest is asked to give back, if there is a balloon.
    pub balloon: Option<MemorySize>,
    /// Transport of virtio devices.
    pub transport: TransportKind,
    /// Whether there are ACPI tables.
    pub acpi: AcpiTables,
    /// File for the output of COM2.
    pub com2: Option<PathBuf>,
    /// Port by which a test kernel ends.
    pub debug_exit: Option<u16>,
    /// The ports of a test device.
    pub test_device: bool,
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
        /// The kernel.
        kernel: PathBuf,
        /// Its address, if it is a flat image.
        flat: Option<u64>,
        /// Initrd.
        initrd: Option<PathBuf>,
        /// Modules, each with its words.
        modules: Vec<(PathBuf, String)>,
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
    /// Keyboard and text screen.
    Vga,
}

impl ConsoleDevice {
    /// Name in reports.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Serial => "serial",
            Self::Virtio => "virtio",
            Self::Vga => "vga",
        }
    }

    /// Name that guests have for it.
    pub(super) fn guest_name(self) -> &'static str {
        match self {
            Self::Serial => "ttyS0",
            Self::Virtio => "hvc0",
            Self::Vga => "tty0",
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
    /// The built-in guest knows no screen.
    #[error("the built-in guest has no VGA console: choose serial or virtio, or give a KERNEL")]
    NoScreen,
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
    /// The cable of IDE is full.
    #[error("{0} disks on IDE are too many: at most 2 fit; leave `,ide` away from the others")]
    TooManyIde(usize),
    /// The controller of IDE sits on PCI.
    #[error("disks on IDE need PCI: leave `,ide` or --transport mmio away")]
    IdeWithoutPci,
    /// A network cannot be used.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Sockets cannot be had.
    #[error(transparent)]
    Vsock(#[from] EndpointError),
    /// The balloon leaves nothing.
    #[error("a balloon of {balloon} leaves a guest of {memory} no memory: make it smaller")]
    Balloon {
        /// To be given back.
        balloon: MemorySize,
        /// Of the guest.
        memory: MemorySize,
    },
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
            Self::NoSuite { .. } | Self::NoScreen => status::USAGE,
            Self::Open { .. } | Self::NotAFile { .. } => status::USAGE,
            Self::TooManyIde(_) | Self::IdeWithoutPci => status::USAGE,
            Self::Disk(_) | Self::Network(_) | Self::Vsock(_) | Self::Balloon { .. } => {
                status::USAGE
            }
            Self::Machine(error) => error.status(),
            Self::Host(_) => status::HOST,
        }
    }
}
