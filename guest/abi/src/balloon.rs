//! Files by which a program has the kernel give free memory to the host and take it again.
//!
//! A write of one [`WORD_BYTES`] word, little-endian, says how many pages of 4 KiB the host is to
//! have; their contents are lost. A read takes all of them again, writes to each, and gives such a
//! word: how many of them were zero by then, as new memory is. Another write takes them again, too. The
//! kernel keeps the pages for the next write, until that is of zero pages.
//!
//! [`Errno::NoSpc`](crate::syscall::Errno::NoSpc): the host does not ask for so many.
//! [`Errno::Again`](crate::syscall::Errno::Again): there is nothing to take.

/// Bytes of what is written and read.
pub const WORD_BYTES: usize = 8;

/// Puts pages into the balloon (virtio 1.3 5.5), one a request.
pub const BY_PAGE: &str = "balloon-page";
/// The same, 256 a request.
pub const BY_BATCH: &str = "balloon";
/// Reports them as free (virtio 1.3 5.5.6.7), in blocks of up to 4 MiB, up to 16 a request. Nothing
/// is said to take them again.
pub const BY_REPORT: &str = "balloon-report";
