//! Debian's kernel for PCs as a guest: its drivers keep the models of a PC's devices honest.

use anyhow::{Result, ensure};
use std::time::Duration;
use tests::linux::network::{DOWN, HostTap, UP, serve_tcp};
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

#[test]
fn four_mib_go_both_ways_over_an_ne2000() -> Result<()> {
    require_linux!();
    const BYTES: u64 = 4 << 20;
    let (tap, host, guest) = ("hostel-ne", "192.0.2.1", "192.0.2.2");
    let _tap = HostTap::new(tap, host)?;
    let (port, server) = serve_tcp(host, BYTES)?;
    let script = format!(
        "echo driver: $(basename $(readlink /sys/class/net/eth0/device/driver))
         ip addr add {guest}/24 dev eth0 && ip link set eth0 up
         ping -c 3 {host} && echo ping: answered
         agent give {UP} {BYTES} tcp {host}:{port} && agent take {DOWN} {BYTES} tcp {host}:{port} &&
             echo tcp: right
         for counter in rx_errors tx_errors rx_packets tx_packets; do
             echo $counter: $(cat /sys/class/net/eth0/statistics/$counter)
         done
         grep eth0 /proc/interrupts"
    );
    let vm = LinuxGuest::new(KernelFile::Full, &script).vm()?;
    let vm = vm.arg("--net").arg(format!("tap={tap},card=ne2000"));
    let ended = vm
        .memory("256M")
        .deadline(2 * DEADLINE)
        .report()
        .run()?
        .expect(0)?;
    let text = ended.text();
    for (word, expected) in [
        ("driver:", "ne2k-pci"),
        ("ping:", "answered"),
        ("tcp:", "right"),
        ("rx_errors:", "0"),
        ("tx_errors:", "0"),
    ] {
        ensure!(said(&text, word)? == expected, "{word}\n{text}");
    }
    server.join().expect("it has not panicked")?;
    dmesg::is_clean(&text)
}
