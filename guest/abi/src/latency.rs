//! How a guest's program says how long operations took: in nanoseconds, by [`Buckets`].
//!
//! The count of a bucket leaves the guest as the metric [`PREFIX`] with the bucket's number.

/// Four to a power of two.
pub type Buckets = crate::buckets::Buckets<2>;

/// Before the number of a bucket, in the name of a metric.
pub const PREFIX: &str = "latency_";
