//! Buckets in which a guest's program counts how long operations took, four to a power of two.
//!
//! The count of a bucket leaves the guest as the metric [`PREFIX`] with the bucket's number.

/// Before the number of a bucket, in the name of a metric.
pub const PREFIX: &str = "latency_";
/// Sub-buckets of a power of two: a quarter of it wide each.
const SUB_BITS: u32 = 2;
const SUB: u64 = 1 << SUB_BITS;
/// How many buckets there are.
pub const BUCKETS: usize = ((64 - SUB_BITS + 1) << SUB_BITS) as usize;

/// The bucket of so many nanoseconds.
pub const fn bucket(ns: u64) -> usize {
    let bits = u64::BITS - ns.leading_zeros();
    let shift = bits.saturating_sub(SUB_BITS + 1);
    (shift as u64 * SUB + (ns >> shift)) as usize
}

/// The least nanoseconds that are of this bucket or a later one.
pub const fn floor_ns(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * SUB {
        return bucket;
    }
    let shift = bucket / SUB - 1;
    (SUB + bucket % SUB) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_begins_where_the_one_before_it_ends() {
        for index in 0..BUCKETS {
            let floor = floor_ns(index);
            assert_eq!(bucket(floor), index, "{floor}");
            assert!(floor == 0 || bucket(floor - 1) == index - 1, "{floor}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }
}
