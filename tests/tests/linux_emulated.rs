//! Debian's kernel for PCs as a guest: its drivers keep the models of a PC's devices honest.

use anyhow::{Result, ensure};
use std::time::Duration;
use tests::linux::network::{DOWN, HostTap, UP, serve_tcp};
use tests::linux::{KernelFile, LinuxGuest, dmesg, said};
use tests::{Ended, require_linux};

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

/// A card: its name on the command line, its driver, the host's TAP, and how many bytes go each way.
struct CardTest {
    card: &'static str,
    driver: &'static str,
    tap: &'static str,
    bytes: u64,
    /// Commands of the guest before its network is up.
    before: &'static str,
}

impl CardTest {
    /// The guest asks the host for an answer, gives it bytes and takes as many, which are checked
    /// at both ends; the machine gave its kernel no reason to complain.
    fn run(&self) -> Result<Ended> {
        let Self { tap, bytes, .. } = *self;
        let (host, guest) = ("192.0.2.1", "192.0.2.2");
        let _tap = HostTap::new(tap, host)?;
        let (port, server) = serve_tcp(host, bytes)?;
        let script = format!(
            "echo driver: $(basename $(readlink /sys/class/net/eth0/device/driver))
             {before}
             ip addr add {guest}/24 dev eth0 && ip link set eth0 up
             ping -c 3 {host} && echo ping: answered
             agent give {UP} {bytes} tcp {host}:{port} &&
                 agent take {DOWN} {bytes} tcp {host}:{port} && echo tcp: right
             for counter in rx_errors tx_errors; do
                 echo $counter: $(cat /sys/class/net/eth0/statistics/$counter)
             done",
            before = self.before,
        );
        let vm = LinuxGuest::new(KernelFile::Full, &script).vm()?;
        let vm = vm.arg("--net").arg(format!("tap={tap},card={}", self.card));
        let vm = vm.memory("256M").deadline(2 * DEADLINE).report();
        let ended = vm.run()?.expect(0)?;
        let text = ended.text();
        for (word, expected) in [
            ("driver:", self.driver),
            ("ping:", "answered"),
            ("tcp:", "right"),
            ("rx_errors:", "0"),
            ("tx_errors:", "0"),
        ] {
            ensure!(said(&text, word)? == expected, "{word}\n{text}");
        }
        server.join().expect("it has not panicked")?;
        dmesg::is_clean(&text)?;
        Ok(ended)
    }
}

/// Each word of what the guest gives is an exit of its own: more would take minutes.
#[test]
fn one_mib_goes_both_ways_over_an_ne2000() -> Result<()> {
    require_linux!();
    let test = CardTest {
        card: "ne2000",
        driver: "ne2k-pci",
        tap: "hostel-ne",
        bytes: 1 << 20,
        before: "",
    };
    test.run().map(drop)
}

#[test]
fn sixteen_mib_go_both_ways_over_an_e1000() -> Result<()> {
    require_linux!();
    let test = CardTest {
        card: "e1000",
        driver: "e1000",
        tap: "hostel-e",
        bytes: 16 << 20,
        before: "agent offloads eth0",
    };
    let ended = test.run()?;
    let text = ended.text();
    // All but the first are on by themselves.
    ensure!(
        said(&text, "offloads:")? == "rx 1 tx 1 sg 1 tso 1",
        "{text}"
    );
    println!("{}\n{:#}", text, ended.report()?.json["exits"]);
    Ok(())
}
