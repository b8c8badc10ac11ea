//! The built-in guest: kernel, programs and suites, embedded by the build script.
//!
//! The initrd is put together at run time, as it holds the chosen suite.

use crate::cpio::{self, Archive, MODE_DATA, MODE_PROGRAM, Member};
use abi::image;
use abi::record::Subsystem;
use devices::legacy::acpi_pm::TIMER_PORT;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/guest.rs"));

/// The suite that runs when none is named.
pub const DEFAULT_SUITE: &str = "default";

/// ELF image of the kernel, with its symbols.
pub fn kernel() -> &'static [u8] {
    KERNEL
}

/// Names of the suites.
pub fn suite_names() -> impl Iterator<Item = &'static str> {
    SUITES.iter().map(|(name, _)| *name)
}

/// Text of the suite of that name.
pub fn suite_text(name: &str) -> Option<&'static [u8]> {
    SUITES
        .iter()
        .find(|(suite, _)| *suite == name)
        .map(|(_, text)| *text)
}

/// Whether there is a program of that name.
pub fn has_program(name: &str) -> bool {
    PROGRAMS.iter().any(|(program, _)| *program == name)
}

/// Names and files of the laboratory's experiments.
pub fn experiments() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    EXPERIMENTS.iter().copied()
}

/// Names of the programs that are for the laboratory.
pub fn lab_programs() -> impl Iterator<Item = &'static str> {
    let names = PROGRAMS.iter().map(|(name, _)| *name);
    names.filter(|name| is_of_lab(name))
}

/// Whether a program is for the laboratory.
fn is_of_lab(name: &str) -> bool {
    name.starts_with("lab_")
}

/// A check that a suite announces.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedCheck {
    /// Its name.
    pub id: String,
    /// What it is about.
    pub subsystem: Subsystem,
}

/// The checks of a suite, in order. Lines that say nothing are left out, as the guest does.
pub fn planned_checks(suite: &[u8]) -> Vec<PlannedCheck> {
    let text = String::from_utf8_lossy(suite);
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or(""));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let id = words.next()?.to_owned();
            let subsystem = Subsystem::from_name(words.next()?)?;
            Some(PlannedCheck { id, subsystem })
        })
        .collect()
}

/// Whether checks of a suite work on a disk of the IDE controller, by the names that they give it.
pub fn works_on_ide(suite: &[u8]) -> bool {
    has_word(suite, |word| word.starts_with("hda"))
}

/// Whether checks of a suite give memory to the host, by the name of their program.
pub fn works_on_balloon(suite: &[u8]) -> bool {
    has_word(suite, |word| word == "balloon")
}

fn has_word(suite: &[u8], is_it: impl FnMut(&str) -> bool) -> bool {
    let text = String::from_utf8_lossy(suite);
    let lines = text.lines();
    let mut words = lines.flat_map(|line| line.split('#').next().unwrap_or("").split(' '));
    words.any(is_it)
}

/// The initrd: all programs, the first of the guest first, and `suite` if there is one. Those of the
/// laboratory are left out, if the suite does not name them.
pub fn initrd(suite: Option<&[u8]>) -> Vec<u8> {
    let mut archive = Archive::default();
    let (first, others): (Vec<_>, Vec<_>) = PROGRAMS
        .iter()
        .filter(|(name, _)| {
            !is_of_lab(name) || suite.is_some_and(|suite| has_word(suite, |word| word == *name))
        })
        .map(|(name, elf)| (format!("bin/{name}"), *elf))
        .partition(|(name, _)| name == image::INIT);
    for (name, elf) in first.into_iter().chain(others) {
        archive.add(&name, MODE_PROGRAM, elf);
    }
    if let Some(suite) = suite {
        archive.add(image::SUITE, MODE_DATA, suite);
    }
    archive.end()
}

/// An initrd like that of the built-in guest, with another suite.
pub fn initrd_with(initrd: &[u8], suite: &[u8]) -> Result<Vec<u8>, InitrdError> {
    let mut archive = Archive::default();
    let mut has_init = false;
    for member in cpio::members(initrd) {
        let Member { name, mode, data } = member?;
        has_init |= name == image::INIT;
        if name != image::SUITE {
            archive.add(name, mode, data);
        }
    }
    if !has_init {
        return Err(InitrdError::NoInit);
    }
    archive.add(image::SUITE, MODE_DATA, suite);
    Ok(archive.end())
}

/// Why an initrd is not one of a guest like the built-in one.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InitrdError {
    /// It is no archive.
    #[error(transparent)]
    Archive(#[from] cpio::CpioError),
    /// It has nothing to start.
    #[error("it has no member bin/init")]
    NoInit,
}

/// Kernel parameters for any VMM.
fn parameters(console: &str) -> String {
    use image::param;
    format!(
        "{}={console} {}=vda:{}+{}",
        param::CONSOLE,
        param::SWAP,
        image::SWAP_FIRST_SECTOR,
        image::SWAP_SECTORS,
    )
}

/// Bytes that Hostel's UART takes in one burst: its transmitter is never full, so the guest need
/// not look at its status every 16 bytes.
const UART_BURST: u32 = 4096;

/// Kernel parameters for Hostel; without a suite, a program that says hello is the first.
pub fn hostel_parameters(console: &str, suite: Option<&str>) -> String {
    use image::param;
    let mut words = parameters(console);
    words.push_str(&format!(" {}={UART_BURST}", param::UART_FIFO));
    words.push_str(&format!(" {}={TIMER_PORT:#x}", param::ACPI_TIMER));
    if suite.is_none() {
        words.push_str(&format!(" {}=bin/hello", param::INIT));
    }
    words
}

/// Writes kernel, initrd and command line to a folder, for other VMMs; returns the files.
pub fn export(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(folder)?;
    let initrd = initrd(suite_text(DEFAULT_SUITE));
    let cmdline = parameters("ttyS0");
    let files = [
        ("kernel", kernel()),
        ("initrd", initrd.as_slice()),
        ("cmdline", cmdline.as_bytes()),
    ];
    files
        .into_iter()
        .map(|(name, bytes)| {
            let path = folder.join(name);
            fs::write(&path, bytes)?;
            Ok(path)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_suite_covers_the_three_subsystems_with_15_checks_or_more() {
        let checks = planned_checks(suite_text(DEFAULT_SUITE).unwrap());
        assert!(checks.len() >= 15, "{} checks", checks.len());
        for subsystem in [Subsystem::Scheduling, Subsystem::Memory, Subsystem::Io] {
            assert!(
                checks.iter().any(|check| check.subsystem == subsystem),
                "{subsystem:?}"
            );
        }
    }

    #[test]
    fn the_initrd_is_an_archive_that_ends_in_its_trailer() {
        let initrd = initrd(Some(b"# nothing\n"));
        assert!(initrd.starts_with(b"070701"));
        assert!(
            initrd[cpio::PAGE..].starts_with(b"\x7fELF"),
            "the first program lies on a page"
        );
        assert_eq!(initrd.len() % 4, 0);
        let trailer = b"TRAILER!!!\0";
        assert!(
            initrd
                .windows(trailer.len())
                .any(|window| window == trailer)
        );
    }

    #[test]
    fn a_suite_takes_the_place_of_another_and_the_rest_stays() {
        let (one, other) = (b"one io 1 a\n".as_slice(), b"other io 1 b\n".as_slice());
        assert_eq!(
            initrd_with(&initrd(Some(one)), other),
            Ok(initrd(Some(other)))
        );
        assert_eq!(initrd_with(&initrd(None), other), Ok(initrd(Some(other))));
    }

    #[test]
    fn what_has_no_first_program_is_no_initrd_of_a_guest() {
        let mut archive = Archive::default();
        archive.add("etc/passwd", MODE_DATA, b"root");
        assert_eq!(initrd_with(&archive.end(), b"x"), Err(InitrdError::NoInit));
        let gzip = initrd_with(b"\x1f\x8b\x08", b"x");
        assert!(matches!(gzip, Err(InitrdError::Archive(_))), "{gzip:?}");
    }
}
