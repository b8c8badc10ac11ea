//! Drives by ATA/ATAPI-6.
//!
//! - [`spec`]: register bits and the table of commands.
//! - [`registers`]: the task file, and the address and count in it.
//! - [`drive`]: a disk with a drive's settings; [`identify`]: what it says of itself.

pub mod drive;
pub mod identify;
pub mod registers;
pub mod spec;
