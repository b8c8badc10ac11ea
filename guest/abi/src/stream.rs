//! Streams of raw bytes between records: what their check says of them.

/// Metric of a check: bytes of its last stream. The check fails unless so many have come.
pub const STREAMED_BYTES: &str = "streamed_bytes";
