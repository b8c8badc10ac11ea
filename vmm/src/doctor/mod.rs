//! `hostel doctor`: whether this host can run guests, what kind of KVM it has, what exits cost.
//!
//! [`findings`] asks the host one thing after another; `probe` measures in a throw-away VM.

mod probe;

use crate::halt::status;
use crate::kvm::Kvm;
use crate::memory;
use crate::table;
use std::fmt::Write;
use std::fs::{self, OpenOptions};
use std::thread;

pub use probe::{KvmKind, Probe, ProbeError};

/// What one look at the host has found.
pub struct Finding {
    /// What was looked at.
    pub topic: &'static str,
    /// Whether `hostel run` can work.
    pub verdict: Verdict,
    /// What was found, and what to do if that is not good.
    pub text: String,
}

/// Weight of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// `run` works, something is slower or missing.
    Note,
    /// `run` cannot work.
    Bad,
}

/// Looks at the host.
pub fn findings() -> Vec<Finding> {
    let mut findings = kvm();
    findings.extend([processors(), memory_size(), io_uring(), tun(), huge_pages()]);
    findings
}

/// The findings as text, and the exit status that they mean.
pub fn render(findings: &[Finding]) -> (String, u8) {
    let mut out = String::new();
    for Finding {
        topic,
        verdict,
        text,
    } in findings
    {
        let mark = match verdict {
            Verdict::Good => "ok",
            Verdict::Note => "note",
            Verdict::Bad => "BAD",
        };
        let mut lines = text.lines();
        let _ = writeln!(out, "{topic:12} {mark:5} {}", lines.next().unwrap_or(""));
        for line in lines {
            let _ = writeln!(out, "{:18} {line}", "");
        }
    }
    let bad = findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Bad);
    (out, if bad { status::HOST } else { status::OK })
}

fn kvm() -> Vec<Finding> {
    let finding = |topic, verdict, text| Finding {
        topic,
        verdict,
        text,
    };
    let kvm = match Kvm::open() {
        Ok(kvm) => kvm,
        Err(error) => return vec![finding("/dev/kvm", Verdict::Bad, crate::chain(&error))],
    };
    let opened = format!("opens; up to {} vCPUs a VM", kvm.max_vcpus());
    let mut findings = vec![finding("/dev/kvm", Verdict::Good, opened)];
    match Probe::measure(&kvm) {
        Ok(probe) => findings.extend(measured(&probe)),
        Err(error) => findings.push(finding("guest code", Verdict::Bad, crate::chain(&error))),
    }
    findings
}

fn measured(probe: &Probe) -> [Finding; 2] {
    let kind = match probe.kind() {
        KvmKind::Hardware => "hardware: the processor runs the guest, of every ring",
        KvmKind::Software => {
            "software: ring 3 runs natively, ring 0 is interpreted\n\
             (right for the built-in guest; too slow for a Linux guest)"
        }
    };
    let kind = format!(
        "{kind}\na ring-0 instruction takes {:.1} ns",
        probe.ring0_instruction_ns
    );
    let mut costs = String::new();
    for (name, ns) in &probe.exit_costs_ns {
        let _ = writeln!(costs, "{name:24} {:>8}", table::duration(*ns));
    }
    [
        Finding {
            topic: "KVM kind",
            verdict: Verdict::Good,
            text: kind,
        },
        Finding {
            topic: "exit costs",
            verdict: Verdict::Good,
            text: costs,
        },
    ]
}

fn processors() -> Finding {
    let count = thread::available_parallelism().map_or(1, usize::from);
    Finding {
        topic: "processors",
        verdict: Verdict::Good,
        text: count.to_string(),
    }
}

fn memory_size() -> Finding {
    let available = meminfo("MemAvailable").map_or(0, |kib| kib << 10);
    let text = format!(
        "{}, {} available",
        table::bytes(memory::host_memory().0),
        table::bytes(available)
    );
    let verdict = if available < 2 * memory::MIN.0 {
        Verdict::Bad
    } else {
        Verdict::Good
    };
    Finding {
        topic: "memory",
        verdict,
        text,
    }
}

/// A value of /proc/meminfo.
fn meminfo(name: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

fn io_uring() -> Finding {
    let (verdict, text) = match io_uring::IoUring::new(2) {
        Ok(_) => (Verdict::Good, "works; disks use it".to_owned()),
        Err(error) => {
            let text = format!("not to be had ({error}); disks use pread and pwrite");
            (Verdict::Note, text)
        }
    };
    Finding {
        topic: "io_uring",
        verdict,
        text,
    }
}

fn tun() -> Finding {
    let (verdict, text) = match OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/net/tun")
    {
        Ok(_) => (Verdict::Good, "/dev/net/tun opens".to_owned()),
        Err(error) => (
            Verdict::Note,
            format!("/dev/net/tun does not open: {error}"),
        ),
    };
    Finding {
        topic: "TUN",
        verdict,
        text,
    }
}

fn huge_pages() -> Finding {
    let reserved = meminfo("HugePages_Total").unwrap_or(0);
    let path = "/sys/kernel/mm/transparent_hugepage/enabled";
    let transparent = fs::read_to_string(path).ok().and_then(|modes| {
        let chosen = modes
            .split_whitespace()
            .find(|mode| mode.starts_with('['))?;
        Some(chosen.trim_matches(['[', ']']).to_owned())
    });
    let transparent = transparent.unwrap_or_else(|| "not there".to_owned());
    let text = format!("{reserved} reserved; transparent for guest memory: {transparent}");
    Finding {
        topic: "huge pages",
        verdict: Verdict::Good,
        text,
    }
}
