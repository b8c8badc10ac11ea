//! QEMU's command line for a nested host.

use super::boot::{Boot, Clock};
use super::needs::Needs;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where what the machine reads and writes is.
pub(super) struct Files<'a> {
    /// Root disk.
    pub(super) root: &'a Path,
    /// Disk that takes the results.
    pub(super) results: &'a Path,
    /// Takes what the kernel says.
    pub(super) console: &'a Path,
}

/// The command that boots it and runs a job; standard output is the job's.
pub(super) fn command(
    needs: &Needs,
    boot: &Boot<'_>,
    files: &Files<'_>,
    job: &str,
) -> Result<Command> {
    let mut qemu = match boot.clock {
        Clock::Parallel => Command::new(&needs.qemu),
        Clock::Wall | Clock::Instructions => on_one_processor(needs, boot.processor)?,
    };
    qemu.args(["-M", "q35", "-cpu", "EPYC,+svm,+npt"]);
    match boot.clock {
        Clock::Wall => qemu.args(["-accel", "tcg,thread=single"]),
        Clock::Parallel => qemu.args(["-accel", "tcg,thread=multi"]),
        Clock::Instructions => {
            qemu.args(["-accel", "tcg,thread=single"]);
            qemu.args(["-icount", "shift=0,sleep=off"])
        }
    };
    qemu.args(["-smp", &boot.cpus.to_string()]);
    qemu.args(["-m", &boot.memory_mib.to_string()]);
    qemu.args(["-nodefaults", "-no-user-config", "-display", "none"]);
    // No restart after a panic: it is the end.
    qemu.args(["-no-reboot", "-serial", "stdio", "-serial"]);
    qemu.arg(format!("file:{}", files.console.display()));
    // Of the root disk, which several may have at a time, each has what it writes for itself.
    for (name, file, more) in [
        ("root", files.root, "snapshot=on"),
        ("results", files.results, "cache=unsafe"),
    ] {
        let drive = format!(
            "id={name},if=none,format=raw,file={},{more}",
            file.display()
        );
        qemu.args(["-drive", &drive, "-device"]);
        qemu.arg(format!("nvme,drive={name},serial={name}"));
    }
    qemu.arg("-kernel").arg(&needs.cloud.image);
    qemu.args(["-append", &parameters(boot, job)]);
    let stdin = if boot.interactive {
        Stdio::inherit()
    } else {
        Stdio::null()
    };
    qemu.stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(qemu)
}

/// QEMU on one of this machine's processors.
///
/// QEMU 7.2's SVM (`svm_helper.c`) has two faults that nested hosts meet.
/// - A processor's thread changes its word of pending interrupts without the lock, at VMRUN and
///   at each exit of a guest. Beside a thread that raises an interrupt, on another processor, it
///   now and then wipes that out, and an idle nested host that lost its timer's waits for ever.
///   On one processor the change is one instruction, which nothing comes between.
/// - VMRUN that injects an interrupt leaves the vector behind, and it is taken again, also where
///   interrupts are off, if the thread is called away before the guest's next exit. Nothing does
///   that to a nested host of one processor; those of two take turns.
fn on_one_processor(needs: &Needs, nth: usize) -> Result<Command> {
    let status = fs::read_to_string("/proc/self/status")?;
    let processors = allowed(&status).context("/proc/self/status lists no processors")?;
    let mut command = Command::new(&needs.taskset);
    command.arg("--cpu-list");
    command.arg(processors[nth % processors.len()].to_string());
    command.arg(&needs.qemu);
    Ok(command)
}

/// The processors in a `Cpus_allowed_list` such as `0-3,8`; at least one.
fn allowed(status: &str) -> Option<Vec<u32>> {
    let mut lines = status.lines();
    let list = lines.find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    let mut processors = Vec::new();
    for range in list.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        processors.extend(first..=last);
    }
    (!processors.is_empty()).then_some(processors)
}

/// Kernel command line; init.sh reads the words with a dot.
fn parameters(boot: &Boot<'_>, job: &str) -> String {
    let tty = if boot.interactive { "sane" } else { "raw" };
    // What is counted is counted on a host as people have it.
    let mitigations = match boot.clock {
        Clock::Instructions => "auto",
        Clock::Wall | Clock::Parallel => "off",
    };
    // The processors' time-stamp counters are one, which QEMU has no bit to say: without, Linux keeps
    // time by the HPET, and KVM a counter of its own for each processor.
    format!(
        "console=ttyS1 root=/dev/nvme0n1 rootfstype=ext4 rw init=/init panic=-1 reboot=t \
         edd=off tsc=reliable mitigations={mitigations} loglevel=5 \
         rcupdate.rcu_cpu_stall_timeout=300 \
         nested.job={job} nested.npt={} nested.tty={tty} nested.slowness={}",
        u8::from(boot.npt),
        super::boot::SLOWNESS,
    )
}
