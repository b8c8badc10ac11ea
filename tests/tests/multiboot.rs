//! Kernels of the multiboot kind, in each kind of file, find what a boot loader owes them and a PC.

use anyhow::{Result, ensure};
use tests::multiboot::{self, Format, Version};
use tests::{Builder, Scratch, TestVm, require_kvm};

/// A VM that starts the kernel with what it expects.
fn vm(scratch: &Scratch, version: Version, format: Format) -> Result<Builder> {
    let kernel = scratch.write("kernel", &multiboot::image(version, format))?;
    let module = scratch.write("module", multiboot::MODULES[1])?;
    let module = format!("{} {}", module.display(), multiboot::MODULE_WORDS);
    Ok(TestVm::builder()
        .arg(kernel)
        .append(multiboot::CMDLINE)
        .initrd(multiboot::MODULES[0])
        .arg("--module")
        .arg(module)
        .memory("64M")
        .cpus(2))
}

/// Every check is there, once, and good.
fn passes(version: Version, format: Format) -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let ended = vm(&scratch, version, format)?.run()?;
    let text = [ended.text(), ended.stderr].concat();
    let expected: String = multiboot::CHECKS
        .iter()
        .map(|check| format!("{check} ok\n"))
        .collect();
    ensure!(text == expected, "{version:?}, {format:?}:\n{text}");
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
