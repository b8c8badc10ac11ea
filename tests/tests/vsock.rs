//! `--vsock`: sockets between the guest and host programs, and what can be wrong with their path.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};
use tests::virtio::{self, DEVICE_BYTES, DEVICES, Descriptor, Rings, reg};
use tests::{BUFFER, Builder, Scratch, Script, TestVm, host, require_kvm};

/// After console and rng.
const DEVICE: u64 = DEVICES + 2 * DEVICE_BYTES;
/// Device id of sockets (virtio 1.3 5.10.1).
const SOCKETS: u32 = 19;
const CID: u64 = 42;
const HOST_CID: u64 = 2;
const RX: u64 = 0;
const TX: u64 = 1;
const RINGS: [Rings; 3] = [
    Rings::at(BUFFER),
    Rings::at(BUFFER + 0x3000),
    Rings::at(BUFFER + 0x6000),
];
/// Buffers to receive packets in, and packets to send, a page each.
const SPACES: u64 = BUFFER + 0x1_0000;
const PACKETS: u64 = BUFFER + 0x2_0000;
const PAGE: u64 = 0x1000;
const COUNT: u64 = 8;
const HEADER_BYTES: u64 = 44;

/// Operations of packets (virtio 1.3 5.10.6).
const REQUEST: u16 = 1;
const RESPONSE: u16 = 2;
const SHUTDOWN: u16 = 4;
const RW: u16 = 5;
const SHUTDOWN_BOTH: u32 = 3;

/// First port of the host's own connections.
const HOST_PORT: u32 = 1 << 30;

fn packet(guest_port: u32, host_port: u32, op: u16, flags: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = [CID, HOST_CID].map(u64::to_le_bytes).concat();
    let kind_and_op = 1 | u32::from(op) << 16;
    let words = [
        guest_port,
        host_port,
        data.len() as u32,
        kind_and_op,
        flags,
        0x1_0000,
        0,
    ];
    bytes.extend(words.map(u32::to_le_bytes).concat());
    bytes.extend(data);
    bytes
}

/// A driver with buffers to receive, and packets that [`send`] sends.
fn driver(packets: &[Vec<u8>]) -> Script {
    let page = |base: u64, index: u64, len: u32, flags| Descriptor {
        address: base + index * PAGE,
        len,
        flags,
        next: 0,
    };
    let spaces: Vec<_> = (0..COUNT)
        .map(|index| page(SPACES, index, PAGE as u32, Descriptor::WRITE))
        .collect();
    let heads: Vec<u16> = (0..COUNT as u16).collect();
    let script = RINGS[RX as usize].fill(Script::new(), &spaces, &heads);
    let sent: Vec<_> = (0..)
        .zip(packets)
        .map(|(index, packet)| page(PACKETS, index, packet.len() as u32, 0))
        .collect();
    let script = RINGS[TX as usize].fill(script, &sent, &heads[..packets.len()]);
    let script = (0..).zip(packets).fold(script, |script, (index, packet)| {
        script.memory(PACKETS + index * PAGE, packet)
    });
    // Not yet.
    let script = script.write(2, RINGS[TX as usize].0[1] + 2, 0);
    let script = virtio::negotiate(script, DEVICE);
    let script = (0..).zip(RINGS).fold(script, |script, (index, rings)| {
        virtio::set_queue(script, DEVICE, index, 16, rings)
    });
    virtio::driver_ok(script, DEVICE).write(4, DEVICE + reg::QUEUE_NOTIFY, RX)
}

/// Sends the packets before this number.
fn send(script: Script, end: u64) -> Script {
    let script = script.write(2, RINGS[TX as usize].0[1] + 2, end);
    let script = script.write(4, DEVICE + reg::QUEUE_NOTIFY, TX);
    RINGS[TX as usize].wait(script, end as u16)
}

/// Waits for the packets before this number.
fn wait(script: Script, end: u16) -> Script {
    RINGS[RX as usize].wait(script, end)
}

/// Prints the data of a packet received.
fn print(script: Script, index: u64, bytes: u64) -> Script {
    script.print(SPACES + index * PAGE + HEADER_BYTES, bytes)
}

fn vm(script: &Script, path: &Path) -> Builder {
    let builder = TestVm::builder().transport("mmio").kernel(&script.pvh());
    builder
        .arg("--vsock")
        .arg(format!("{CID},{}", path.display()))
}

fn within_deadline<T>(what: &str, mut get: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + host::patience(Duration::from_secs(60));
    loop {
        if let Some(got) = get() {
            return Ok(got);
        }
        ensure!(Instant::now() < deadline, "no {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn the_device_has_the_guests_address() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let script = Script::new()
        .read(4, DEVICE + reg::DEVICE_ID)
        .send(4)
        .read(4, DEVICE + reg::CONFIG)
        .send(4);
    let ended = vm(&script, &scratch.path("vm")).run()?.expect(0)?;
    let expected = [SOCKETS, CID as u32].map(u32::to_le_bytes).concat();
    ensure!(ended.stdout == expected, "{:?}", ended.stdout);
    ensure!(!scratch.path("vm").exists(), "the socket went with the VM");
    Ok(())
}

#[test]
fn a_guest_talks_to_a_host_program() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let server = UnixListener::bind(scratch.path("vm_52"))?;
    let packets = [
        packet(9000, 52, REQUEST, 0, &[]),
        packet(9000, 52, RW, 0, b"ping"),
        packet(9000, 52, SHUTDOWN, SHUTDOWN_BOTH, &[]),
    ];
    let script = wait(send(driver(&packets), 1), 1);
    let script = wait(send(script, 2), 2);
    // The last is answered with a reset.
    let script = wait(send(print(script, 1, 4), 3), 3);
    let vm = vm(&script, &scratch.path("vm")).report().boot()?;
    let (mut program, _) = server.accept()?;
    let mut said = [0; 4];
    program.read_exact(&mut said)?;
    ensure!(&said == b"ping");
    program.write_all(b"pong")?;
    ensure!(program.read(&mut said)? == 0, "the guest has closed");
    let ended = vm.wait()?.expect(0)?;
    ensure!(ended.stdout == b"pong", "{}", ended.text());
    ensure!(ended.report()?.refused("virtio-vsock") == 0);
    Ok(())
}

#[test]
fn a_host_program_talks_to_a_guest() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let path = scratch.path("vm");
    let packets = [
        packet(1024, HOST_PORT, RESPONSE, 0, &[]),
        packet(1024, HOST_PORT, RW, 0, b"pong"),
    ];
    let script = send(wait(driver(&packets), 1), 1);
    let script = send(print(wait(script, 2), 1, 4), 2);
    let vm = vm(&script, &path).boot()?;
    let mut program = within_deadline("socket", || UnixStream::connect(&path).ok())?;
    program.write_all(b"CONNECT 1024\nping")?;
    let mut said = String::new();
    program.read_to_string(&mut said)?;
    ensure!(said == format!("OK {HOST_PORT}\npong"), "{said:?}");
    let ended = vm.wait()?.expect(0)?;
    ensure!(ended.stdout == b"ping", "{}", ended.text());
    Ok(())
}

#[test]
fn a_program_may_connect_before_the_guest_is_there() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let path = scratch.path("vm");
    let idle = Script::new().say("up").halt();
    let vm = vm(&idle, &path).boot()?;
    vm.wait_for("up")?;
    let mut program = UnixStream::connect(&path)?;
    program.write_all(b"CONNECT 1024\n")?;
    vm.signal("TERM")?;
    vm.wait()?.expect(128 + 15)?;
    // Nobody has read what it wrote.
    ensure!(matches!(program.read(&mut [0; 8]), Ok(0) | Err(_)));
    ensure!(!path.exists(), "the socket went with the VM");
    Ok(())
}

#[test]
fn two_vms_with_one_path() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let path = scratch.path("vm");
    let idle = Script::new().say("up").halt();
    let first = vm(&idle, &path).boot()?;
    first.wait_for("up")?;
    let second = vm(&Script::new().say("up"), &path).run()?;
    let second = second.expect_line(2, &["vm is in use by another Hostel", "another path"])?;
    ensure!(second.stdout.is_empty(), "the second guest ran");
    UnixStream::connect(&path).context("the first VM's socket is still there")?;
    // Killed, it leaves its socket behind, which the next VM replaces.
    drop(first);
    ensure!(path.exists());
    let next = vm(&Script::new().say("up"), &path).run()?.expect(0)?;
    ensure!(next.text() == "up");
    Ok(())
}

#[test]
fn a_path_that_no_socket_can_have() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let script = Script::new().say("up");
    let refused = |path: &Path, words: &[&str]| -> Result<()> {
        let ended = vm(&script, path).run()?.expect_line(2, words)?;
        ensure!(ended.stdout.is_empty(), "the guest ran");
        Ok(())
    };
    let file = scratch.write("file", b"precious")?;
    refused(&file, &["file is there already and is no socket"])?;
    ensure!(fs::read(&file)? == b"precious");
    refused(
        &file.join("vm"),
        &["folder that you may write to", "Not a directory"],
    )?;
    refused(&scratch.path("missing/vm"), &["No such file"])?;
    refused(
        Path::new("/proc/vm"),
        &["/proc/vm cannot be made", "folder"],
    )?;
    refused(
        &scratch.path(&"x".repeat(100)),
        &["bytes, more than 96", "shorter"],
    )
}

#[test]
fn an_address_that_no_guest_can_have() -> Result<()> {
    require_kvm!();
    for address in [
        "2,/tmp/vm",
        "4294967295,/tmp/vm",
        "4294967296,x",
        "-1,x",
        "x,y",
        ",x",
        "",
    ] {
        let vm = TestVm::builder().arg(format!("--vsock={address}"));
        vm.run()?.expect_line(2, &["--vsock", "number from 3"])?;
    }
    for address in ["3", "3,"] {
        let vm = TestVm::builder().arg("--vsock").arg(address);
        vm.run()?.expect_line(2, &["--vsock", "need a path"])?;
    }
    Ok(())
}
