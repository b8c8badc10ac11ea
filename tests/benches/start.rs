//! Start-up: from the start of the process to the guest's first byte, beside QEMU's microvm on
//! the same kernel in the same run; to the first program of the built-in guest; what is resident.

use anyhow::{Context, Result, ensure};
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;
use tests::bench::{Samples, print, print_head, rounds};
use tests::{Kernel, Scratch, TestVm, binary, host, machine_code};

machine_code!(
    /// Writes one byte to the serial port and switches off.
    fn first_byte {
        ".code32"
        "mov $0x3f8, %edx"
        "mov $0x21, %al"
        "out %al, %dx"
        "mov $0x501, %edx"
        "xor %eax, %eax"
        "out %al, %dx"
        "1: hlt"
        "jmp 1b"
    }
);

/// Targets of the project.
const FIRST_BYTE_MS: f64 = 2.0;
const OF_QEMU: f64 = 0.05;
const FIRST_PROGRAM_MS: f64 = 50.0;
const OVERHEAD_MIB: f64 = 2.0;

fn hostel(kernel: &Path) -> Command {
    let mut command = Command::new(binary::hostel());
    command.arg("run").arg(kernel);
    command.args(["--cpus", "1", "--memory", "128M"]);
    command
}

/// The same machine: with the devices that Hostel has in any case.
fn qemu(kernel: &Path) -> Command {
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-M", "microvm,acpi=off", "-accel", "kvm", "-m", "128"]);
    command.args(["-smp", "1", "-nodefaults", "-no-user-config"]);
    command.args(["-display", "none", "-serial", "stdio"]);
    command.args(["-global", "virtio-mmio.force-legacy=off"]);
    command.args([
        "-device",
        "virtio-rng-device",
        "-device",
        "virtio-serial-device",
    ]);
    command.args([
        "-chardev",
        "null,id=hvc0",
        "-device",
        "virtconsole,chardev=hvc0",
    ]);
    command.arg("-kernel").arg(kernel);
    command
}

/// Milliseconds from the start of the process to the first byte of its output.
fn first_byte_ms(mut command: Command) -> Result<f64> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let start = Instant::now();
    let mut child = command.spawn()?;
    let mut byte = [0];
    let read = child.stdout.take().context("it is piped")?.read(&mut byte);
    let elapsed = start.elapsed();
    // The guest has said all that counts; QEMU would go on.
    let _ = child.kill();
    let _ = child.wait();
    ensure!(read? == 1 && byte == *b"!", "{command:?} gave {byte:?}");
    Ok(elapsed.as_secs_f64() * 1000.0)
}

fn first_bytes(kernel: &Path) -> Result<()> {
    // Each first run reads its program from the disk.
    first_byte_ms(hostel(kernel))?;
    let with_qemu = first_byte_ms(qemu(kernel)).is_ok();
    let mut ours = Samples::default();
    let (mut theirs, mut ratios) = (Samples::default(), Samples::default());
    for _ in 0..rounds(20) {
        let ms = first_byte_ms(hostel(kernel))?;
        ours.0.push(ms);
        if with_qemu {
            let qemu_ms = first_byte_ms(qemu(kernel))?;
            theirs.0.push(qemu_ms);
            ratios.0.push(ms / qemu_ms);
        }
    }
    let name = "hostel: process start to first byte";
    print(name, &ours, "ms", Some(FIRST_BYTE_MS));
    if with_qemu {
        print("QEMU microvm, the same devices", &theirs, "ms", None);
        print("ratio", &ratios, "of QEMU's", Some(OF_QEMU));
    } else {
        println!("  QEMU is not installed, or does not boot the kernel with KVM: no ratio");
    }
    Ok(())
}

fn resident(kernel: &Kernel) -> Result<()> {
    let mut overhead = Samples::default();
    for _ in 0..rounds(5) {
        let ended = TestVm::builder().kernel(kernel).report().run()?.expect(0)?;
        let bytes = ended.report()?.json["vmm_overhead_bytes"].as_f64();
        overhead
            .0
            .push(bytes.context("the report says it")? / f64::from(1 << 20));
    }
    print(
        "resident beyond the guest's memory",
        &overhead,
        "MiB",
        Some(OVERHEAD_MIB),
    );
    Ok(())
}

fn first_program() -> Result<()> {
    let (mut user, mut kernel) = (Samples::default(), Samples::default());
    for _ in 0..rounds(20) {
        let vm = TestVm::builder()
            .arg("--suite")
            .arg("none")
            .append("init=bin/hello");
        let ended = vm.cpus(1).report().run()?;
        let at = |point| {
            ended
                .report()?
                .timeline_us(point)
                .context("a point of the timeline")
        };
        kernel.0.push(at("guest_kernel")? as f64 / 1000.0);
        user.0.push(at("guest_user")? as f64 / 1000.0);
    }
    print("built-in guest: to its kernel", &kernel, "ms", None);
    print(
        "built-in guest: to its first program",
        &user,
        "ms",
        Some(FIRST_PROGRAM_MS),
    );
    Ok(())
}

fn main() -> Result<()> {
    if !host::has_kvm() {
        return Ok(());
    }
    let scratch = Scratch::new()?;
    let kernel = Kernel::pvh(first_byte());
    let path = scratch.write("kernel", &kernel.image())?;
    print_head("start");
    first_bytes(&path)?;
    resident(&kernel)?;
    first_program()
}
