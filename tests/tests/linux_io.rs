//! Debian's kernel as a guest, whose network, sockets and memory are shared with the host: bytes go
//! both ways and are checked at both ends, and memory that the guest does not need is the host's.

use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;
use tests::linux::KernelFile::{BzImage, Vmlinux};
use tests::linux::network::{DOWN, HostTap, UP, serve, serve_tcp, within_deadline};
use tests::linux::{LinuxGuest, dmesg, said};
use tests::{Scratch, TestVm, pattern, require_linux};

const MIB: u64 = 1 << 20;
/// What goes each way.
const BYTES: u64 = 200 * MIB;
/// Longest wait on a host of common speed.
const DEADLINE: Duration = Duration::from_secs(120);

const TAP: &str = "hostel0";
const HOST_ADDRESS: &str = "192.0.2.1";
const GUEST_ADDRESS: &str = "192.0.2.2";
/// Where the guest listens.
const GUEST_PORT: u32 = 53;

/// A stream to what listens in the guest, as soon as it does: Hostel says so, or hangs up.
fn port_of_guest(path: &Path) -> Result<UnixStream> {
    within_deadline("program that listens in the guest", || {
        let mut stream = UnixStream::connect(path)?;
        stream.write_all(format!("CONNECT {GUEST_PORT}\n").as_bytes())?;
        let (mut reply, mut byte) = (String::new(), [0]);
        while !reply.ends_with('\n') {
            if stream.read(&mut byte)? == 0 {
                return Ok(None);
            }
            reply.push(byte[0].into());
        }
        ensure!(reply.starts_with("OK "), "{reply:?}");
        Ok(Some(stream))
    })
}

#[test]
fn two_hundred_mib_go_both_ways_over_a_tap_and_over_vsock() -> Result<()> {
    require_linux!();
    let scratch = Scratch::new()?;
    let _tap = HostTap::new(TAP, HOST_ADDRESS)?;
    let unix = UnixListener::bind(scratch.path("vm_52"))?;
    unix.set_nonblocking(true)?;
    let (port, tcp) = serve_tcp(HOST_ADDRESS, BYTES)?;
    let unix = serve("vsock", BYTES, move || {
        let (stream, _) = unix.accept()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    });
    let script = format!(
        "ip addr add {GUEST_ADDRESS}/24 dev eth0 && ip link set eth0 up
         ping -c 3 {HOST_ADDRESS} && echo ping: answered
         for way in 'tcp {HOST_ADDRESS}:{port}' 'vsock 52' 'listen {GUEST_PORT}'; do
             set -- $way
             agent give {UP} {BYTES} $way && agent take {DOWN} {BYTES} $way && echo $1: right
         done"
    );
    let vm = LinuxGuest::new(BzImage, &script).vm()?;
    let vm = vm.arg("--net").arg(format!("tap={TAP}"));
    let vm = vm.arg("--vsock");
    let vm = vm.arg(format!("3,{}", scratch.path("vm").display()));
    let vm = vm.cpus(2).memory("256M").deadline(DEADLINE).report();
    let vm = vm.boot()?;
    vm.wait_for("vsock: right")?;
    pattern::take(port_of_guest(&scratch.path("vm"))?, UP, BYTES)?;
    pattern::give(port_of_guest(&scratch.path("vm"))?, DOWN, BYTES)?;
    let ended = vm.wait()?.expect(0)?;
    let text = ended.text();
    for (way, outcome) in [
        ("ping:", "answered"),
        ("tcp:", "right"),
        ("vsock:", "right"),
        ("listen:", "right"),
    ] {
        ensure!(said(&text, way)? == outcome, "{text}");
    }
    for host in [tcp, unix] {
        host.join().expect("it has not panicked")?;
    }
    for device in ["virtio-net0", "virtio-vsock"] {
        ensure!(ended.report()?.refused(device) == 0, "{device}");
    }
    dmesg::is_clean(&text)
}

/// Waits until so much memory of the VM is resident as `fits` wants.
fn resident(vm: &TestVm, fits: impl Fn(u64) -> bool) -> Result<u64> {
    let mut last = 0;
    let waited = within_deadline("change of memory", || {
        last = vm.resident_bytes()?;
        Ok(fits(last).then_some(last))
    });
    waited.with_context(|| format!("{} MiB are resident", last / MIB))
}

#[test]
fn memory_that_the_guest_frees_and_that_the_balloon_takes_is_the_hosts() -> Result<()> {
    require_linux!();
    const FILLED: u64 = 160 * MIB;
    const MEMORY: u64 = 512 * MIB;
    const BALLOON: u64 = 300 * MIB;
    // Without its driver nothing is reported; with it, first what is free, then the balloon's.
    let script = format!(
        "fill() {{ agent give 6 {FILLED} >/tmp/file; }}
         rmmod virtio_balloon
         mount -t tmpfs -o size=100% tmp /tmp
         fill; echo full; read
         rm /tmp/file; echo removed; read
         modprobe virtio_balloon; echo loaded; read
         free() {{ sed -n 's/MemFree: *\\([0-9]*\\).*/\\1/p' /proc/meminfo; }}
         while [ $(free) -gt {most_kib} ]; do sleep 1; done",
        most_kib = (MEMORY - BALLOON) / 1024,
    );
    let vm = LinuxGuest::new(Vmlinux, &script).vm()?;
    let vm = vm.memory("512M").arg("--balloon").arg("300M");
    let mut vm = vm.deadline(DEADLINE).typing().report().boot()?;
    vm.wait_for("full")?;
    let full = vm.resident_bytes()?;
    ensure!(full > FILLED, "{full}");
    vm.type_in(b"\n")?;
    vm.wait_for("removed")?;
    let removed = vm.resident_bytes()?;
    ensure!(
        removed > full - 16 * MIB,
        "nobody has told the host: {removed} of {full}"
    );
    vm.type_in(b"\n")?;
    vm.wait_for("loaded")?;
    resident(&vm, |left| left < full - FILLED + 16 * MIB)?;
    vm.type_in(b"\n")?;
    let ended = vm.wait()?.expect(0)?;
    let balloon = &ended.report()?.json["balloon"];
    // The kernel has kept some of its memory from the start, so this much can still be missing.
    let actual = balloon["actual_bytes"].as_u64().unwrap_or(0);
    ensure!(actual > BALLOON / 4 * 3, "{balloon}");
    dmesg::is_clean(&ended.text())
}
