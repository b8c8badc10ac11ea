//! Metrics of a check that the host looks at.

/// Bytes of the check's last stream of raw bytes. It fails unless so many have come.
pub const STREAMED_BYTES: &str = "streamed_bytes";
/// Only a part of the time between the marks is what was measured, as in a wait for an event to come.
pub const PARTIAL: &str = "partial";
/// What the check is about is not on this host; there is no other metric then.
pub const ABSENT: &str = "absent";
/// Bytes of memory that the host is to have got between two of the program's looks. The check fails
/// unless it has.
pub const GIVEN_BYTES: &str = "given_bytes";
