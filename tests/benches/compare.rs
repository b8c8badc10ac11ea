//! `hostel compare` against the project's targets: exits an operation, paravirtual beside emulated
//! paths; what an idle guest costs; fio in a Linux guest beside fio on its host. On this host, then
//! on a nested one.

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use tests::bench::{Samples, at_least, print, print_head, rounds};
use tests::linux::archive::Archive;
use tests::linux::{KernelFile, file, files, initramfs, said};
use tests::nested::measured::{self, Part};
use tests::nested::{Clock, Image, Profile};
use tests::{Scratch, binary};

const PARTS: [Part; 2] = [
    Part {
        name: "paths",
        clock: Clock::Parallel,
        head: "2 processors side by side",
        run: paths,
    },
    Part {
        name: "fio",
        clock: Clock::Parallel,
        head: "2 processors side by side",
        run: fio,
    },
];

/// Most exits an operation that a path should take.
const EXITS: [(&str, &str, f64); 5] = [
    ("block-random-32", "virtio", 0.2),
    ("block-read", "virtio", 1.2),
    ("net-send", "virtio", 0.1),
    ("net-receive", "virtio", 0.1),
    ("console", "virtio", 1.0),
];
/// Least speed of the best paravirtual path, of the best emulated one's.
const AHEAD: f64 = 1.0;
/// Most processor time of an idle guest, of a processor's.
const IDLE: f64 = 0.01;
const IDLE_TIME: Duration = Duration::from_secs(5);
/// Least speed of a disk in a guest, of that on its host.
const OF_HOST: f64 = 0.8;

const FIO: &str = "/bin/fio";
const LIBRARIES: [&str; 3] = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu", "lib64"];
const DISK_MIB: usize = 32;
/// Disks of the guest, and where they are.
const DISKS: [(&str, &str); 2] = [("virtio-blk", "/dev/vda"), ("null_blk", "/dev/nullb0")];
/// Makes the second (Linux Documentation/block/null_blk.rst): through the queues of a disk, but done
/// as it is asked for.
const NULL_BLK: &str = "modprobe null_blk queue_mode=2 irqmode=0 gb=1 bs=512";
/// What fio does, by name.
const JOBS: [(&str, &str); 2] = [
    ("4 KiB at random, depth 32", "randread --bs=4k --iodepth=32"),
    ("128 KiB in order, depth 4", "read --bs=128k --iodepth=4"),
];

fn main() -> Result<()> {
    if measured::inside(&PARTS)? {
        return Ok(());
    }
    if !std::env::args().any(|arg| PARTS.iter().any(|part| part.name == arg)) {
        paths()?;
    }
    let image = match Image::new(Profile::Release) {
        Ok(image) => image,
        Err(error) => {
            println!("nested: {error:#}");
            return Ok(());
        }
    };
    match Path::new(FIO).exists() {
        true => image.program(Path::new(FIO), &FIO[1..])?,
        false => println!("{FIO} is not there: install fio for its part"),
    }
    measured::outside(&image, &PARTS)
}

/// Every workload by every path, and an idle guest.
fn paths() -> Result<()> {
    let scratch = Scratch::new()?;
    let report = scratch.path("report");
    let mut command = Command::new(binary::hostel());
    command.args(["compare", "--runs", &rounds(5).to_string(), "--report"]);
    let output = command.arg(&report).stderr(Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!(
            "{command:?}: {}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stdout)
        );
    }
    let report: Value = serde_json::from_reader(File::open(&report)?)?;
    let workloads = report["workloads"].as_array().context("workloads")?;
    print_head("hostel compare");
    for (workload, path, most) in EXITS {
        let of = workloads.iter().find(|w| w["workload"] == workload);
        let paths = of.context("the workload")?["paths"].as_array();
        let path = paths.into_iter().flatten().find(|p| p["path"] == path);
        let exits = path.and_then(|path| path["figures"]["exits"].as_f64());
        let exits = Samples(vec![exits.context("its exits")?]);
        let name = format!("{workload}: exits an operation by virtio");
        print(&name, &exits, "", Some(most));
    }
    for workload in workloads {
        ahead(workload)?;
    }
    idle()
}

/// The best paravirtual path beside the best emulated one, where there are both.
fn ahead(workload: &Value) -> Result<()> {
    let paths = workload["paths"].as_array().context("paths")?;
    let best = |model: &str| {
        let paths = paths.iter().filter(|path| path["model"] == model);
        let rate = |path: &Value| {
            let rate = &path["figures"]["operations_per_second"];
            let [median, min, max] = ["median", "min", "max"].map(|of| rate[of].as_f64());
            Some((path["path"].as_str()?.to_owned(), [median?, min?, max?]))
        };
        paths
            .filter_map(rate)
            .max_by(|a, b| a.1[0].total_cmp(&b.1[0]))
    };
    let name = workload["workload"].as_str().unwrap_or("");
    if let (Some((ours, our_rate)), Some((theirs, their_rate))) =
        (best("paravirtual"), best("emulated"))
    {
        let [median, least, most] =
            [(0, 0), (1, 2), (2, 1)].map(|(our, their)| our_rate[our] / their_rate[their]);
        let ratio = Samples(vec![least, median, most]);
        let name = format!("{name}: {ours} of {theirs}");
        match (least..=most).contains(&AHEAD) {
            true => print(&name, &ratio, "no difference beyond the spread", None),
            false => at_least(&name, &ratio, AHEAD),
        }
    }
    Ok(())
}

/// The built-in guest, its first program waiting for input.
fn idle() -> Result<()> {
    let mut command = Command::new(binary::hostel());
    command.args(["run", "--suite", "none", "--append", "init=bin/echo"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = command.spawn()?;
    let mut shares = Samples::default();
    thread::sleep(Duration::from_secs(2));
    for _ in 0..rounds(3) {
        let (start, before) = (Instant::now(), ticks(child.id())?);
        thread::sleep(IDLE_TIME);
        let ticks = (ticks(child.id())? - before) as f64;
        shares.0.push(ticks / 100.0 / start.elapsed().as_secs_f64());
    }
    let ended = child.try_wait()?;
    ensure!(ended.is_none(), "the idle guest has ended: {ended:?}");
    child.kill()?;
    child.wait()?;
    print("an idle guest, of a processor", &shares, "", Some(IDLE));
    Ok(())
}

/// Processor time of a process in hundredths of a second (proc(5): utime and stime).
fn ticks(pid: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields = stat.rsplit_once(") ").context("its name")?.1;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    Ok(fields[11].parse::<u64>()? + fields[12].parse::<u64>()?)
}

/// fio's command line for `job` on `path`; it says operations a second. What the host has in its
/// cache stays there.
fn fio_command(job: &str, path: &str, direct: u8) -> String {
    format!(
        "fio --name=job --filename={path} --size={DISK_MIB}m --direct={direct} --readonly \
         --invalidate=0 --ioengine=io_uring --fixedbufs=1 --registerfiles=1 --time_based \
         --runtime=4 --ramp_time=1 --output-format=terse --terse-version=3 --rw={job} \
         | cut -d';' -f8"
    )
}

/// fio by io_uring on a file in the page cache, which is also the disk of a Linux guest, whose fio
/// reads past the guest's own cache; and in the guest on a disk of its kernel's that answers at once
/// ([`NULL_BLK`]): no disk of a VM is faster.
fn fio() -> Result<()> {
    if !Path::new(FIO).exists() {
        println!("  without fio");
        return Ok(());
    }
    let scratch = Scratch::new()?;
    // Not on tmpfs, where io_uring gains nothing.
    let disk = "/root/disk";
    let mut bytes = vec![0; DISK_MIB << 20];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    File::create(disk)?.write_all(&bytes)?;
    drop(bytes);
    let mut script = format!("{NULL_BLK}\n");
    for (name, job) in JOBS {
        for (disk, path) in DISKS {
            let command = fio_command(job, path, 1);
            script.push_str(&format!("echo \"{name}, {disk}: $({command})\"\n"));
        }
    }
    let mut initrd = initramfs(&script, KernelFile::Vmlinux)?;
    let mut archive = Archive::default();
    for folder in ["usr", "usr/lib"] {
        archive.folder(folder);
    }
    for folder in LIBRARIES {
        archive.tree(&Path::new("/").join(folder), folder)?;
    }
    archive.program("bin/fio", &std::fs::read(FIO)?);
    // Linux takes several archives one behind the other.
    initrd.extend(archive.finish());
    let initrd = scratch.write("initrd", &initrd)?;
    println!(" Linux guest, 1 vCPU, by virtio-blk, beside its host; io_uring, cached file on ext4");
    let mut samples = JOBS.map(|_| [(); 5].map(|()| Samples::default()));
    for _ in 0..rounds(5) {
        let host = JOBS.map(|(_, job)| host_rate(&fio_command(job, disk, 0)));
        let guest = guest_rates(&initrd, disk)?;
        for ((samples, host), [guest, none]) in samples.iter_mut().zip(host).zip(guest) {
            let host = host?;
            let figures = [host, guest, none, guest / host, none / host];
            for (samples, figure) in samples.iter_mut().zip(figures) {
                samples.0.push(figure);
            }
        }
    }
    for ((name, _), [host, guest, none, of_host, at_most]) in JOBS.iter().zip(&samples) {
        println!(" {name}");
        print("on the host", host, "a second", None);
        print("in the guest, virtio-blk", guest, "a second", None);
        print("in the guest, null_blk", none, "a second", None);
        at_least("virtio-blk of the host", of_host, OF_HOST);
        print("null_blk of the host", at_most, "", None);
    }
    Ok(())
}

fn host_rate(command: &str) -> Result<f64> {
    let output = Command::new("sh").args(["-c", command]).output()?;
    let text = String::from_utf8(output.stdout)?;
    let rate = text.trim().parse();
    rate.with_context(|| format!("{text}{}", String::from_utf8_lossy(&output.stderr)))
}

/// For each job, by each disk.
fn guest_rates(initrd: &Path, disk: &str) -> Result<Vec<[f64; DISKS.len()]>> {
    let mut command = Command::new(binary::hostel());
    command.arg("run").arg(file(files::VMLINUX)?);
    command.arg("--initrd").arg(initrd).args(["--memory", "1G"]);
    command.args(["--disk", disk, "--append"]);
    command.arg("console=ttyS0 quiet reboot=t panic=-1");
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rate = |name: &str, disk: &str| {
        let rate = said(&text, &format!("{name}, {disk}:"))?;
        rate.parse::<f64>().with_context(|| text.clone())
    };
    let rates = JOBS.iter().map(|(name, _)| {
        let [(virtio, _), (null, _)] = DISKS;
        Ok([rate(name, virtio)?, rate(name, null)?])
    });
    rates.collect()
}
