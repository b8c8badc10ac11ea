//! Kernels of the multiboot kind, in each kind of file, find what a boot loader owes them and a PC.

use anyhow::{Result, ensure};
use tests::multiboot::{self, Format, Version};
use tests::{Ended, Scratch, TestVm, require_kvm};

/// Starts the kernel with what it expects: 64 MiB, words, two modules, two processors, a screen,
/// and somebody who presses a key when asked.
fn run(scratch: &Scratch, version: Version, format: Format) -> Result<Ended> {
    let kernel = scratch.write("kernel", &multiboot::image(version, format))?;
    let module = scratch.write("module", multiboot::MODULES[1])?;
    let module = format!("{} {}", module.display(), multiboot::MODULE_WORDS);
    let vm = TestVm::builder().arg(kernel).append(multiboot::CMDLINE);
    let vm = vm.initrd(multiboot::MODULES[0]).arg("--module").arg(module);
    let vm = vm.memory("64M").cpus(2).arg("--console").arg("vga");
    let mut vm = vm.report().typing().boot()?;
    vm.wait_for("type a\n")?;
    vm.type_in(b"a")?;
    vm.wait()
}

/// Every check is there, once, and good, and the screen is shown and reported.
fn passes(version: Version, format: Format) -> Result<()> {
    require_kvm!();
    let ended = run(&Scratch::new()?, version, format)?;
    let expected = multiboot::CHECKS
        .iter()
        .map(|check| format!("{check} ok\n"));
    let expected: String = expected.collect();
    let text = ended.text();
    let checks = text.replace("type a\n", "").replace("Multiboot\n", "");
    ensure!(
        checks == expected,
        "{version:?}, {format:?}:\n{text}{}",
        ended.stderr
    );
    let screen = &ended.report()?.json["screen"];
    ensure!(
        screen[0] == "Multiboot" && text.contains("Multiboot\n"),
        "{screen}"
    );
    ended.expect(0)?;
    Ok(())
}

#[test]
fn multiboot_1_in_an_elf32_file() -> Result<()> {
    passes(Version::One, Format::Elf32)
}

#[test]
fn multiboot_1_in_an_elf64_file() -> Result<()> {
    passes(Version::One, Format::Elf64)
}

#[test]
fn multiboot_1_with_addresses_in_its_header() -> Result<()> {
    passes(Version::One, Format::Addresses)
}

#[test]
fn multiboot_2_in_an_elf32_file() -> Result<()> {
    passes(Version::Two, Format::Elf32)
}

#[test]
fn multiboot_2_in_an_elf64_file() -> Result<()> {
    passes(Version::Two, Format::Elf64)
}

#[test]
fn multiboot_2_with_addresses_in_its_header() -> Result<()> {
    passes(Version::Two, Format::Addresses)
}
