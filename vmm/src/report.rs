//! `--report FILE`: the run as JSON.

use crate::accounting::ExitRow;
use crate::doctor::{KvmKind, Probe};
use crate::halt::HaltReason;
use crate::kvm::Kvm;
use crate::machine::{DiskFailure, Point, Refused, Timeline};
use crate::memory;
use crate::msr::UnknownMsr;
use crate::suite::CheckResult;
use devices::virtio::balloon::BalloonStatus;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};

/// What a run came to.
#[derive(Serialize)]
pub struct Report {
    /// Version of Hostel.
    pub hostel: &'static str,
    /// What it ran on.
    pub host: HostReport,
    /// What the VM was.
    pub vm: VmReport,
    /// Microseconds since the process started.
    pub timeline_us: TimelineReport,
    /// The suite's results; empty without a suite.
    pub checks: Vec<CheckResult>,
    /// Exits by kind and device, most time first.
    pub exits: Vec<ExitRow>,
    /// Writes that have waited for an exit of the same vCPU or another, by device.
    pub coalesced: Vec<ExitRow>,
    /// What drivers did against the specification and was ignored.
    pub refused: Vec<Refused>,
    /// What the host failed at for the guest's disks.
    pub disk_failures: Vec<DiskFailure>,
    /// Text of the screen at the end, a string a row, if anything was written there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub screen: Option<Vec<String>>,
    /// MSRs that the guest used and KVM does not know.
    pub unknown_msrs: Vec<UnknownMsr>,
    /// The balloon, if there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balloon: Option<BalloonReport>,
    /// How it ended.
    pub halt: HaltReport,
    /// Resident memory of the process beyond the guest's, at the end of the guest.
    pub vmm_overhead_bytes: u64,
}

/// The host.
#[derive(Serialize)]
pub struct HostReport {
    /// `hardware` or `software`; null if the host could not be probed any more.
    pub kvm: Option<KvmKind>,
    /// Time of a ring-0 instruction, by which that was decided.
    pub ring0_instruction_ns: Option<f64>,
    /// Processors online.
    pub cpus: usize,
    /// Memory.
    pub memory_bytes: u64,
    /// Release of the kernel.
    pub linux: String,
}

impl HostReport {
    /// This host, probed for its kind of KVM.
    pub fn probed() -> Self {
        let probe = Kvm::open().ok().and_then(|kvm| Probe::kind_only(&kvm).ok());
        Self::new(probe.as_ref())
    }

    /// This host, with what was probed of it.
    fn new(probe: Option<&Probe>) -> Self {
        let linux = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Self {
            kvm: probe.map(Probe::kind),
            ring0_instruction_ns: probe.map(|probe| probe.ring0_instruction_ns),
            cpus: std::thread::available_parallelism().map_or(1, usize::from),
            memory_bytes: memory::host_memory().0,
            linux: linux.trim().to_owned(),
        }
    }
}

/// The virtual machine.
#[derive(Serialize)]
pub struct VmReport {
    /// vCPUs.
    pub cpus: u8,
    /// Memory.
    pub memory_bytes: u64,
    /// File, or `built-in`.
    pub kernel: String,
    /// Name of the suite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suite: Option<String>,
    /// `serial`, `virtio` or `vga`.
    pub console: &'static str,
    /// `pci` or `mmio`, of virtio devices.
    pub transport: &'static str,
    /// Disks that the user gave.
    pub disks: Vec<String>,
    /// Networks, each with its card's address.
    pub networks: Vec<String>,
}

/// Points in time; those that were not reached are null.
#[derive(Serialize)]
pub struct TimelineReport {
    vm_created: Option<u64>,
    first_run: Option<u64>,
    guest_kernel: Option<u64>,
    guest_user: Option<u64>,
    ended: Option<u64>,
}

impl From<&Timeline> for TimelineReport {
    fn from(timeline: &Timeline) -> Self {
        Self {
            vm_created: timeline.get(Point::VmCreated),
            first_run: timeline.get(Point::FirstRun),
            guest_kernel: timeline.get(Point::GuestKernel),
            guest_user: timeline.get(Point::GuestUser),
            ended: timeline.get(Point::Ended),
        }
    }
}

/// The balloon in the end.
#[derive(Serialize)]
pub struct BalloonReport {
    /// What the guest was asked to give back.
    pub target_bytes: u64,
    /// What it had given back then.
    pub actual_bytes: u64,
    /// What was given back to the host in all, free pages that it reported among it.
    pub discarded_bytes: u64,
    /// What it last said of its memory.
    pub statistics: BTreeMap<&'static str, u64>,
}

impl From<BalloonStatus> for BalloonReport {
    fn from(status: BalloonStatus) -> Self {
        Self {
            target_bytes: status.target_bytes,
            actual_bytes: status.actual_bytes,
            discarded_bytes: status.discarded_bytes,
            statistics: status.statistics.into_iter().collect(),
        }
    }
}

/// How it ended.
#[derive(Serialize)]
pub struct HaltReport {
    /// [`HaltReason::name`].
    pub reason: &'static str,
    /// In words.
    pub detail: String,
    /// Exit status of the process.
    pub status: u8,
}

impl HaltReport {
    /// The report of `reason`, with the status that the process will end with.
    pub fn new(reason: &HaltReason, status: u8) -> Self {
        Self {
            reason: reason.name(),
            detail: reason.to_string(),
            status,
        }
    }
}

impl Report {
    /// Writes it to a file that was opened before the guest started.
    pub fn write(&self, file: File) -> io::Result<()> {
        let mut out = BufWriter::new(file);
        serde_json::to_writer_pretty(&mut out, self)?;
        out.write_all(b"\n")?;
        out.flush()
    }
}
