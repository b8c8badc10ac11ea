//! The short run of each target.

use super::TARGETS;
use devices::fuzzing::smoke;

const RUNS: usize = 500;

fn run(name: &str) {
    smoke::run(env!("CARGO_MANIFEST_DIR"), &TARGETS, name, RUNS);
}

#[test]
fn kernel_takes_anything() {
    run("kernel");
}

#[test]
fn multiboot_takes_anything() {
    run("multiboot");
}

#[test]
fn bzimage_takes_anything() {
    run("bzimage");
}

#[test]
fn initrd_takes_anything() {
    run("initrd");
}

#[test]
fn stream_takes_anything() {
    run("stream");
}

#[test]
fn symbols_takes_anything() {
    run("symbols");
}
