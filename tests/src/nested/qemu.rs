//! QEMU's command line for a nested host.

use super::boot::{Boot, Clock};
use super::needs::Needs;
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
pub(super) fn command(needs: &Needs, boot: &Boot<'_>, files: &Files<'_>, job: &str) -> Command {
    let mut qemu = Command::new(&needs.qemu);
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
    for (name, file) in [("root", files.root), ("results", files.results)] {
        let drive = format!(
            "id={name},if=none,format=raw,cache=unsafe,file={}",
            file.display()
        );
        qemu.args(["-drive", &drive, "-device"]);
        qemu.arg(format!("nvme,drive={name},serial={name}"));
    }
    qemu.arg("-kernel").arg(&needs.kernel);
    qemu.args(["-append", &parameters(boot, job)]);
    let stdin = if boot.interactive {
        Stdio::inherit()
    } else {
        Stdio::null()
    };
    qemu.stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    qemu
}

/// Kernel command line; init.sh reads the words with a dot.
fn parameters(boot: &Boot<'_>, job: &str) -> String {
    let tty = if boot.interactive { "sane" } else { "raw" };
    // What is counted is counted on a host as people have it.
    let mitigations = match boot.clock {
        Clock::Instructions => "auto",
        Clock::Wall | Clock::Parallel => "off",
    };
    format!(
        "console=ttyS1 root=/dev/nvme0n1 rootfstype=ext4 rw init=/init panic=-1 reboot=t \
         edd=off mitigations={mitigations} loglevel=5 nested.job={job} nested.npt={} nested.tty={tty} nested.slowness={}",
        u8::from(boot.npt),
        super::boot::SLOWNESS,
    )
}
