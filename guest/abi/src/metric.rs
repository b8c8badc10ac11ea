//! Metrics of a check that the host looks at.

/// Operations done between the marks.
pub const OPERATIONS: &str = "operations";
/// Bytes of each, where it has bytes.
pub const OPERATION_BYTES: &str = "operation_bytes";
/// Time that they took, in nanoseconds.
pub const ELAPSED: &str = "elapsed_ns";
/// Interrupts of devices meanwhile.
pub const INTERRUPTS: &str = "interrupts";
/// Doorbells of virtio devices rung meanwhile.
pub const NOTIFICATIONS: &str = "notifications";
/// Requests that disks have completed meanwhile.
pub const REQUESTS: &str = "requests";

/// Bytes of the check's last stream of raw bytes. It fails unless so many have come.
pub const STREAMED_BYTES: &str = "streamed_bytes";
/// Only a part of the time between the marks is what was measured, as in a wait for an event to come.
pub const PARTIAL: &str = "partial";
/// What the check is about is not on this host; there is no other metric then.
pub const ABSENT: &str = "absent";
/// Bytes of memory that the host is to have got between two of the program's looks. The check fails
/// unless it has.
pub const GIVEN_BYTES: &str = "given_bytes";
