//! The built-in guest boots unchanged under another VMM, and its suite passes there, over either
//! transport of virtio.

use abi::record::{LF, Outcome, Parsed, RS};
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;
use tests::{Scratch, binary, host};

const QEMU: &str = "qemu-system-x86_64";
const DEADLINE: Duration = Duration::from_secs(300);

/// Killed when dropped.
struct Qemu(Child);

impl Drop for Qemu {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A machine of QEMU's, and how its virtio devices are reached.
struct Machine {
    name: &'static str,
    block: &'static str,
    rng: &'static str,
    /// What the kernel is told of the devices, where QEMU does not do that by itself.
    words: &'static str,
}

const MICROVM: Machine = Machine {
    name: "microvm,acpi=off",
    block: "virtio-blk-device",
    rng: "virtio-rng-device",
    words: "",
};

/// A PC with PCI Express, whose configuration space is where its firmware always has it.
const Q35: Machine = Machine {
    name: "q35",
    block: "virtio-blk-pci,disable-legacy=on",
    rng: "virtio-rng-pci,disable-legacy=on",
    words: "pci.ecam=0xb0000000",
};

fn start(machine: &Machine, folder: &Scratch) -> Result<Qemu> {
    let disk = folder.path("disk");
    File::create(&disk)?.set_len(abi::image::SCRATCH_DISK_BYTES)?;
    let cmdline = std::fs::read_to_string(folder.path("cmdline"))?;
    let cmdline = format!("{cmdline} {}", machine.words);
    let drive = format!("id=disk,if=none,format=raw,file={}", disk.display());
    let block = format!("{},drive=disk", machine.block);
    let mut command = Command::new(QEMU);
    command.args(["-M", machine.name, "-accel", "tcg", "-m", "128"]);
    command.args(["-smp", "2", "-nodefaults", "-no-user-config"]);
    command.args(["-display", "none", "-no-reboot", "-serial", "stdio"]);
    command.args(["-global", "virtio-mmio.force-legacy=off"]);
    command.args(["-drive", &drive, "-device", &block]);
    command.args(["-device", machine.rng]);
    command.arg("-kernel").arg(folder.path("kernel"));
    command.arg("-initrd").arg(folder.path("initrd"));
    command.args(["-append", &cmdline]);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    Ok(Qemu(command.spawn()?))
}

/// The records in the serial output, up to the suite's last, or to a panic.
fn records(output: ChildStdout) -> Result<Vec<Parsed>> {
    let mut output = BufReader::new(output);
    let mut records = Vec::new();
    let mut line = Vec::new();
    while output.read_until(LF, &mut line)? > 0 {
        let start = line.iter().position(|byte| *byte == RS);
        if let Some(record) = start.and_then(|at| Parsed::from_json(&line[at + 1..]).ok()) {
            let last = matches!(record, Parsed::End { .. } | Parsed::Panic { .. });
            records.push(record);
            if last {
                return Ok(records);
            }
        }
        line.clear();
    }
    bail!("QEMU ended before the suite: {records:#?}")
}

fn records_within_deadline(mut qemu: Qemu) -> Result<Vec<Parsed>> {
    let output = qemu.0.stdout.take().context("it is piped")?;
    let (sender, receiver) = mpsc::channel();
    // It ends with QEMU, at the latest.
    thread::spawn(move || sender.send(records(output)));
    receiver
        .recv_timeout(DEADLINE)
        .context("QEMU takes too long")?
}

#[test]
fn the_exported_guest_passes_its_suite_in_qemus_microvm() -> Result<()> {
    passes_on(&MICROVM)
}

#[test]
fn the_exported_guest_passes_its_suite_over_qemus_pci() -> Result<()> {
    passes_on(&Q35)
}

fn passes_on(machine: &Machine) -> Result<()> {
    if Command::new(QEMU).arg("--version").output().is_err() {
        host::skip("QEMU is not installed");
        return Ok(());
    }
    let folder = Scratch::new()?;
    let mut export = Command::new(binary::hostel());
    let export = export
        .args(["guest", "export"])
        .arg(folder.folder())
        .output()?;
    ensure!(
        export.status.success(),
        "{}",
        String::from_utf8_lossy(&export.stderr)
    );

    let records = records_within_deadline(start(machine, &folder)?)?;
    let failed: Vec<_> = records
        .iter()
        .filter(
            |record| matches!(record, Parsed::Check { outcome, .. } if *outcome == Outcome::Fail),
        )
        .collect();
    ensure!(failed.is_empty(), "{failed:#?}");
    let passed = match records.last() {
        Some(Parsed::End { passed, failed: 0 }) => *passed,
        other => bail!("the suite ended with {other:?}"),
    };
    ensure!(passed >= 15, "only {passed} checks");
    Ok(())
}
