//! On a nested host with hardware KVM, beside QEMU's microvm in the same run: boots of Debian's
//! kernel, the start of a minimal guest and the cost of an exit, in instructions; reads of a disk.

use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tests::bench::{Samples, at_least, print, rounds};
use tests::linux::{KernelFile, file, files, initramfs, said};
use tests::nested::measured::{self, Part};
use tests::nested::{Clock, Image, Profile};
use tests::{Kernel, Scratch, linux::archive::Archive, machine_code};

/// Port writes of the longer of two guests, beyond those of the shorter.
const WRITES: u32 = 100_000;

const PARTS: [Part; 2] = [
    Part {
        name: "instructions",
        clock: Clock::Instructions,
        head: "time is a count of instructions (millions), 1 processor",
        run: instructions,
    },
    Part {
        name: "disk",
        clock: Clock::Parallel,
        head: "2 processors side by side",
        run: disk,
    },
];

/// Targets of the project.
const PORT_WRITE: f64 = 3650.0;
const BOOT_OF_QEMU: f64 = 0.90;
const BOOT_EXITS: f64 = 250.0;
const MINIMAL_MILLIONS: f64 = 8.0;
const LARGER_MILLIONS: f64 = 2.0;
const RANDOM_OF_QEMU: f64 = 2.6;
const ORDERED_OF_QEMU: f64 = 1.6;

const QEMU: &str = "/usr/bin/qemu-system-x86_64";
const FIRMWARE: [&str; 5] = [
    "bios-microvm.bin",
    "qboot.rom",
    "linuxboot_dma.bin",
    "pvh.bin",
    "kvmvapic.bin",
];
const FIRMWARE_FOLDERS: [&str; 2] = ["/usr/share/qemu", "/usr/share/seabios"];

const FIRST_LINE: &str = "USER SPACE";
/// The first process: says so, and waits to be ended.
const INIT: &str = "#!/bin/busybox sh\necho USER SPACE\nexec /bin/busybox sleep 1000\n";
const DISK_MIB: u64 = 64;
const DISK_SCRIPT: &str = "agent disk /dev/vda 1 > /dev/null; agent disk /dev/vda 4; echo done: .";

machine_code!(
    /// Writes one byte to the serial port and waits to be ended.
    fn first_byte {
        ".code32"
        "mov $0x3f8, %edx"
        "mov $0x21, %al"
        "out %al, %dx"
        "1: hlt"
        "jmp 1b"
    }
);

machine_code!(
    /// Writes so often, to that port, as the two words behind it say; then as `first_byte`.
    fn port_writes {
        ".code32"
        "mov 0x101000, %ecx"
        "mov 0x101004, %edx"
        "1: out %al, %dx"
        "dec %ecx"
        "jnz 1b"
        "mov $0x3f8, %edx"
        "mov $0x21, %al"
        "out %al, %dx"
        "2: hlt"
        "jmp 2b"
    }
);

fn main() -> Result<()> {
    if measured::inside(&PARTS)? {
        return Ok(());
    }
    let image = match Image::new(Profile::Release) {
        Ok(image) => image,
        Err(error) => {
            println!("nested: {error:#}");
            return Ok(());
        }
    };
    image.program(Path::new(QEMU), &QEMU[1..])?;
    for name in FIRMWARE {
        let paths = FIRMWARE_FOLDERS.map(|folder| Path::new(folder).join(name));
        if let Some(path) = paths.iter().find(|path| path.exists()) {
            image.file(path, &format!("usr/share/qemu/{name}"))?;
        }
    }
    measured::outside(&image, &PARTS)
}

/// A VMM that was started, and when.
struct Started {
    child: Child,
    start: Instant,
}

impl Started {
    fn new(mut command: Command) -> Result<Self> {
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let start = Instant::now();
        let child = command.spawn()?;
        Ok(Self { child, start })
    }

    /// Millions of instructions until its output has that text.
    fn until(&mut self, text: &str) -> Result<f64> {
        let output = self.child.stdout.as_mut().context("it is piped")?;
        let (mut all, mut piece) = (Vec::new(), [0; 4096]);
        loop {
            let count = output.read(&mut piece)?;
            ensure!(count > 0, "no {text}: {}", String::from_utf8_lossy(&all));
            all.extend(&piece[..count]);
            if all.windows(text.len()).any(|part| part == text.as_bytes()) {
                return Ok(self.start.elapsed().as_secs_f64() * 1000.0);
            }
        }
    }

    /// Ends it as a user would, which lets Hostel write its report.
    fn end(mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").arg(pid).status()?;
        self.child.wait()?;
        Ok(())
    }
}

fn hostel(kernel: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("hostel");
    command.arg("run").arg(kernel).args(args);
    command
}

/// The machine that the figures are compared with, with the devices that Hostel's has in any case.
fn microvm(kernel: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(QEMU);
    command.args(["-M", "microvm,pit=off,pic=off,rtc=on", "-accel", "kvm"]);
    command.args(["-cpu", "host", "-smp", "1", "-nodefaults"]);
    command.args(["-no-user-config", "-display", "none", "-serial", "stdio"]);
    command.args(["-no-reboot", "-global", "virtio-mmio.force-legacy=off"]);
    command.args(["-device", "virtio-rng-device"]);
    command.args(["-device", "virtio-serial-device"]);
    command.args(["-chardev", "null,id=hvc0", "-device"]);
    command.args(["virtconsole,chardev=hvc0", "-kernel"]);
    command.arg(kernel).args(args);
    command
}

fn instructions() -> Result<()> {
    let scratch = Scratch::new()?;
    minimal(&scratch)?;
    exits(&scratch)?;
    boots(&scratch)
}

/// So long after the last VM has ended, KVM_CREATE_VM waits again for what it changes to be seen by
/// all: until the third tick of the host's clock from then.
const PAUSE: Duration = Duration::from_millis(500);
/// Between two of them.
const TICK: Duration = Duration::from_millis(4);

/// Pauses so that `nth` of `count` starts at its own time between two ticks.
fn pause(nth: usize, count: usize) {
    thread::sleep(PAUSE + TICK * nth as u32 / count as u32);
}

/// KVM_CREATE_VM by itself, millions.
fn create_vm() -> Result<f64> {
    let kvm = kvm_ioctls::Kvm::new()?;
    let start = Instant::now();
    let vm = kvm.create_vm()?;
    let millions = start.elapsed().as_secs_f64() * 1000.0;
    drop(vm);
    Ok(millions)
}

/// Milliseconds of this machine are millions of instructions.
fn minimal(scratch: &Scratch) -> Result<()> {
    let kernel = scratch.write("minimal", &Kernel::pvh(first_byte()).image())?;
    let run_now = |memory: &str| -> Result<f64> {
        let mut started = Started::new(hostel(&kernel, &["--memory", memory]))?;
        let millions = started.until("!")?;
        started.end()?;
        Ok(millions)
    };
    run_now("128M")?;
    let (mut small, mut large) = (Samples::default(), Samples::default());
    let (mut more, mut alone) = (Samples::default(), Samples::default());
    let (mut rest, mut next) = (Samples::default(), Samples::default());
    let count = rounds(10);
    for nth in 0..count {
        pause(nth, count);
        let (one, again) = (run_now("128M")?, run_now("128M")?);
        pause(nth, count);
        let other = run_now("5G")?;
        pause(nth, count);
        let create = create_vm()?;
        next.0.push(again);
        small.0.push(one);
        large.0.push(other);
        more.0.push(other - one);
        alone.0.push(create);
        rest.0.push(one - create);
    }
    let name = "minimal guest: process start to first byte";
    print(name, &small, "M", Some(MINIMAL_MILLIONS));
    print("the same right after another", &next, "M", None);
    print(
        "KVM_CREATE_VM alone, until the third tick",
        &alone,
        "M",
        None,
    );
    print("the difference", &rest, "M", None);
    print("with 5 GiB", &large, "M", None);
    print("more than with 128 MiB", &more, "M", Some(LARGER_MILLIONS));
    Ok(())
}

/// A port write that exits to userspace.
fn exits(scratch: &Scratch) -> Result<()> {
    for (name, port) in [
        ("port write, no device", 0x80_u32),
        ("port write, COM1's scratch register", 0x3ff),
    ] {
        let run = |count: u32| -> Result<f64> {
            let words = [count.to_le_bytes(), port.to_le_bytes()].concat();
            let kernel = Kernel::pvh(port_writes()).data(0x10_1000, &words);
            let kernel = scratch.write("writes", &kernel.image())?;
            thread::sleep(PAUSE);
            let mut started = Started::new(hostel(&kernel, &[]))?;
            let millions = started.until("!")?;
            started.end()?;
            Ok(millions)
        };
        let mut writes = Samples::default();
        for _ in 0..rounds(3) {
            let more = run(1 + WRITES)? - run(1)?;
            writes.0.push(more * 1e6 / f64::from(WRITES));
        }
        print(name, &writes, "instructions", Some(PORT_WRITE));
    }
    Ok(())
}

/// Millions of instructions of guests, without those of KVM and of the VMM, while `boot` runs.
fn guest_code<T>(boot: impl FnOnce() -> Result<T>) -> Result<f64> {
    let folder = Path::new("/sys/kernel/tracing");
    if !folder.join("trace").exists() {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tracefs", "tracefs"]).arg(folder);
        ensure!(mount.status()?.success(), "tracefs cannot be mounted");
    }
    std::fs::write(folder.join("buffer_size_kb"), "65536")?;
    std::fs::write(folder.join("trace"), "")?;
    let events = ["kvm_entry", "kvm_exit"];
    let switch = |to: &str| -> Result<()> {
        for event in events {
            std::fs::write(folder.join(format!("events/kvm/{event}/enable")), to)?;
        }
        Ok(())
    };
    switch("1")?;
    boot()?;
    switch("0")?;
    let trace = std::fs::read_to_string(folder.join("trace"))?;
    let (mut entry, mut seconds) = (None, 0.0);
    // task-pid [cpu] flags seconds: event: what
    for line in trace.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, _, _, time, event, ..] = words[..] else {
            continue;
        };
        let time = || time.trim_end_matches(':').parse::<f64>();
        match event {
            "kvm_entry:" => entry = Some(time()?),
            "kvm_exit:" => seconds += entry.take().map_or(Ok(0.0), |at| time().map(|t| t - at))?,
            _ => {}
        }
    }
    ensure!(seconds > 0.0, "no exit was traced");
    Ok(seconds * 1000.0)
}

fn boots(scratch: &Scratch) -> Result<()> {
    let mut archive = Archive::default();
    for folder in ["bin", "dev", "proc", "sys"] {
        archive.folder(folder);
    }
    archive.program("bin/busybox", &std::fs::read("/bin/busybox")?);
    archive.program("init", INIT.as_bytes());
    let initrd = scratch.write("initrd", &archive.finish())?;
    let initrd = initrd.to_str().context("a path that is text")?;
    let vmlinux = file(files::VMLINUX)?;
    // From here on they are in the page cache.
    for path in [&vmlinux, Path::new(QEMU)] {
        std::fs::read(path)?;
    }
    for (name, words) in [
        // Less than `quiet`, with which it complains of a machine without PCI.
        ("quiet", "console=ttyS0 loglevel=3 reboot=t panic=-1"),
        ("with its messages", "console=ttyS0 reboot=t panic=-1"),
    ] {
        boot(scratch, &vmlinux, initrd, name, words)?;
    }
    Ok(())
}

fn boot(scratch: &Scratch, vmlinux: &Path, initrd: &str, name: &str, words: &str) -> Result<()> {
    let report = scratch.path("report");
    let report = report.to_str().context("a path that is text")?;
    let ours = |transport: &str, words: &str| -> Result<(f64, f64)> {
        let args = ["--initrd", initrd, "--memory", "256M", "--append", words];
        let more = ["--transport", transport, "--report", report];
        let mut started = Started::new(hostel(vmlinux, &[&args[..], &more].concat()))?;
        let millions = started.until(FIRST_LINE)?;
        started.end()?;
        let report: serde_json::Value = serde_json::from_reader(File::open(report)?)?;
        let rows = report["exits"].as_array().context("exits")?;
        let count = |row: &serde_json::Value| row["count"].as_f64().unwrap_or(0.0);
        Ok((millions, rows.iter().map(count).sum()))
    };
    let theirs = || -> Result<f64> {
        let args = ["-initrd", initrd, "-m", "256", "-append", words];
        let mut started = Started::new(microvm(vmlinux, &args))?;
        let millions = started.until(FIRST_LINE)?;
        started.end()?;
        Ok(millions)
    };
    let [
        mut pci,
        mut mmio,
        mut qemu,
        mut ratio,
        mut exits,
        mut mmio_exits,
    ] = std::array::from_fn(|_| Samples::default());
    for _ in 0..rounds(3) {
        let (by_pci, pci_count) = ours("pci", words)?;
        let (by_mmio, mmio_count) = ours("mmio", &format!("{words} pci=off"))?;
        let microvm = theirs()?;
        pci.0.push(by_pci);
        mmio.0.push(by_mmio);
        qemu.0.push(microvm);
        ratio.0.push(by_pci / microvm);
        exits.0.push(pci_count);
        mmio_exits.0.push(mmio_count);
    }
    let own = guest_code(|| ours("mmio", &format!("{words} pci=off")))?;
    let microvms = guest_code(theirs)?;
    println!(" Debian's kernel {name}, 256 MiB, to the first line of user space");
    print("hostel", &pci, "M", None);
    print("hostel --transport mmio, pci=off", &mmio, "M", None);
    print("QEMU microvm, the same devices", &qemu, "M", None);
    print("ratio of hostel", &ratio, "of QEMU's", Some(BOOT_OF_QEMU));
    let own = Samples(vec![own]);
    print("guest code alone, pci=off", &own, "M", None);
    let microvms = Samples(vec![microvms]);
    print(
        "guest code alone in microvm, firmware too",
        &microvms,
        "M",
        None,
    );
    print("exits to userspace", &exits, "", Some(BOOT_EXITS));
    print("the same over MMIO", &mmio_exits, "", Some(BOOT_EXITS));
    Ok(())
}

fn disk() -> Result<()> {
    let folder = PathBuf::from("/tmp");
    let disk = folder.join("disk");
    let mut bytes = vec![0; 1 << 20];
    let mut file_of_disk = File::create(&disk)?;
    for _ in 0..DISK_MIB {
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        file_of_disk.write_all(&bytes)?;
    }
    let scratch = Scratch::new()?;
    let initrd = scratch.write("initrd", &initramfs(DISK_SCRIPT, KernelFile::Vmlinux)?)?;
    let initrd = initrd.to_str().context("a path that is text")?;
    let vmlinux = file(files::VMLINUX)?;
    let path = disk.to_str().context("a path that is text")?;
    let words = "console=ttyS0 quiet reboot=t panic=-1";
    let drive = format!("id=disk,file={path},format=raw,if=none");
    let rates = |command: Command| -> Result<[f64; 2]> {
        let mut started = Started::new(command)?;
        let mut text = String::new();
        let output = started.child.stdout.as_mut().context("it is piped")?;
        output.read_to_string(&mut text)?;
        started.child.wait()?;
        Ok([
            said(&text, "random:")?.parse()?,
            said(&text, "ordered:")?.parse()?,
        ])
    };
    let [mut random, mut ordered, mut random_ratio, mut ordered_ratio] =
        std::array::from_fn(|_| Samples::default());
    for _ in 0..rounds(7) {
        let args = ["--initrd", initrd, "--memory", "256M", "--append", words];
        let ours = rates(hostel(&vmlinux, &[&args[..], &["--disk", path]].concat()))?;
        let args = ["-initrd", initrd, "-m", "256", "-append", words];
        let device = ["-drive", &drive, "-device", "virtio-blk-device,drive=disk"];
        let theirs = rates(microvm(&vmlinux, &[&args[..], &device].concat()))?;
        random.0.push(ours[0]);
        ordered.0.push(ours[1]);
        random_ratio.0.push(ours[0] / theirs[0]);
        ordered_ratio.0.push(ours[1] / theirs[1]);
    }
    println!(" Linux guest, O_DIRECT, file on tmpfs, one read at a time");
    print("4 KiB at random", &random, "a second", None);
    at_least("the same, of QEMU microvm's", &random_ratio, RANDOM_OF_QEMU);
    print("1 MiB in order", &ordered, "a second", None);
    at_least(
        "the same, of QEMU microvm's",
        &ordered_ratio,
        ORDERED_OF_QEMU,
    );
    Ok(())
}
