//! A multiboot kernel that checks the machine it finds itself on.
//!
//! The kernel is plain machine code ([`code`]), wrapped into each kind of file that multiboot
//! knows: [`image`]. It writes a line for each check to the serial port, `NAME ok` or
//! `NAME FAILED VALUE`, and ends the VM by the exit port: 0 if all are good. What it looks for is
//! a PC's and multiboot's; only the exit port, and the words that a test gives it, are Hostel's.

mod code;
mod file;

pub use code::CHECKS;
pub use file::{Format, Version, image};

/// Words that the kernel expects in its command line, behind its own name.
pub const CMDLINE: &str = "one two=three";
/// Contents of the two modules, and the words that come with the second.
pub const MODULES: [&[u8]; 2] = [b"first module", b"second module"];
/// Words of the second module.
pub const MODULE_WORDS: &str = "words of the second";
