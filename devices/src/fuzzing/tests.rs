//! The short run of each target.

use super::TARGETS;
use super::smoke;

const RUNS: usize = 2000;

fn run(name: &str) {
    smoke::run(env!("CARGO_MANIFEST_DIR"), &TARGETS, name, RUNS);
}

#[test]
fn hypercall_takes_anything() {
    run("hypercall");
}

#[test]
fn alarm_takes_anything() {
    run("alarm");
}

#[test]
fn ide_takes_anything() {
    run("ide");
}

#[test]
fn e1000_takes_anything() {
    run("e1000");
}

#[test]
fn ne2000_takes_anything() {
    run("ne2000");
}

#[test]
fn net_header_takes_anything() {
    run("net_header");
}

#[test]
fn pci_config_takes_anything() {
    run("pci_config");
}

#[test]
fn pio_takes_anything() {
    run("pio");
}

#[test]
fn virtio_balloon_takes_anything() {
    run("virtio_balloon");
}

#[test]
fn virtio_blk_takes_anything() {
    run("virtio_blk");
}

#[test]
fn virtio_console_takes_anything() {
    run("virtio_console");
}

#[test]
fn virtio_net_takes_anything() {
    run("virtio_net");
}

#[test]
fn virtio_pci_takes_anything() {
    run("virtio_pci");
}

#[test]
fn virtio_rng_takes_anything() {
    run("virtio_rng");
}

#[test]
fn virtio_vsock_takes_anything() {
    run("virtio_vsock");
}
