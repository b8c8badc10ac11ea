//! Debian's kernel for PCs as a guest: its drivers keep the models of a PC's devices honest.

use anyhow::{Result, ensure};
use std::net::TcpListener;
use std::time::Duration;
use tests::linux::network::{HostTap, serve};
use tests::linux::{KernelFile, LinuxGuest, dmesg, said};
use tests::require_linux;

/// Its kernel is large, and the machine slow: most of this goes before the first process.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn the_kernel_for_pcs_boots() -> Result<()> {
    require_linux!();
    let guest = LinuxGuest::new(KernelFile::Full, "echo kernel: $(uname -r)").vm()?;
    let guest = guest.memory("256M").deadline(DEADLINE);
    let ended = guest.run()?.expect(0)?;
    let text = ended.text();
    let version = said(&text, "kernel:")?;
    ensure!(!version.contains("cloud"), "{version}");
    dmesg::is_clean(&text)
}

/// A card: its name on the command line, the host's TAP and the first three bytes of addresses on
/// it, and how many bytes go each way.
struct CardTest {
    card: &'static str,
    tap: &'static str,
    network: &'static str,
    bytes: u64,
}

impl CardTest {
    /// Seeds of what the guest gives and of what it takes.
    const UP: u64 = 6;
    const DOWN: u64 = 7;

    /// The guest asks the host for an answer, gives it bytes and takes as many, which are checked
    /// at both ends; its driver does what it does by itself.
    fn run(&self) -> Result<()> {
        let Self {
            card,
            tap,
            network,
            bytes,
        } = *self;
        let (host, guest) = (format!("{network}.1"), format!("{network}.2"));
        let _tap = HostTap::new(tap, &host)?;
        let tcp = TcpListener::bind((host.as_str(), 0))?;
        tcp.set_nonblocking(true)?;
        let port = tcp.local_addr()?.port();
        let served = serve(card, (Self::UP, Self::DOWN, bytes), move || {
            let (stream, _) = tcp.accept()?;
            stream.set_nonblocking(false)?;
            Ok(stream)
        });
        let script = format!(
            "ip addr add {guest}/24 dev eth0 && ip link set eth0 up
             ping -c 3 {host} && echo ping: answered
             agent give {up} {bytes} tcp {host}:{port} &&
             agent take {down} {bytes} tcp {host}:{port} && echo tcp: right",
            up = Self::UP,
            down = Self::DOWN,
        );
        let vm = LinuxGuest::new(KernelFile::Full, &script).vm()?;
        let vm = vm.arg("--net").arg(format!("tap={tap},card={card}"));
        let vm = vm.memory("256M").deadline(DEADLINE);
        let ended = vm.run()?.expect(0)?;
        let text = ended.text();
        for (way, outcome) in [("ping:", "answered"), ("tcp:", "right")] {
            ensure!(said(&text, way)? == outcome, "{text}");
        }
        served.join().expect("it has not panicked")?;
        dmesg::is_clean(&text)
    }
}

#[test]
fn e1000_moves_sixteen_mib_each_way() -> Result<()> {
    require_linux!();
    CardTest {
        card: "e1000",
        tap: "hostel1",
        network: "198.51.100",
        bytes: 16 << 20,
    }
    .run()
}
