//! [`Buckets`]: counts of values of any size in few places, each a small part of its values wide.

/// Buckets of which `1 << SUB_BITS` share a power of two; the least values have one each.
pub struct Buckets<const SUB_BITS: u32>;

impl<const SUB_BITS: u32> Buckets<SUB_BITS> {
    const SUB: u64 = 1 << SUB_BITS;
    /// How many there are.
    pub const COUNT: usize = ((64 - SUB_BITS + 1) << SUB_BITS) as usize;

    /// The bucket of a value.
    #[inline]
    pub const fn of(value: u64) -> usize {
        let bits = u64::BITS - value.leading_zeros();
        let shift = bits.saturating_sub(SUB_BITS + 1);
        (shift as u64 * Self::SUB + (value >> shift)) as usize
    }

    /// The least value of a bucket.
    pub const fn floor(bucket: usize) -> u64 {
        let bucket = bucket as u64;
        match bucket < Self::SUB {
            true => bucket,
            false => (Self::SUB + bucket % Self::SUB) << (bucket / Self::SUB - 1),
        }
    }

    /// The middle of a bucket.
    pub const fn middle(bucket: usize) -> u64 {
        let floor = Self::floor(bucket);
        match bucket + 1 < Self::COUNT {
            true => floor + (Self::floor(bucket + 1) - floor) / 2,
            false => floor + (u64::MAX - floor) / 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begins_where_the_one_before_it_ends<const SUB_BITS: u32>() {
        type Of<const SUB_BITS: u32> = Buckets<SUB_BITS>;
        for index in 0..Of::<SUB_BITS>::COUNT {
            let floor = Of::<SUB_BITS>::floor(index);
            assert_eq!(Of::<SUB_BITS>::of(floor), index, "{floor}");
            assert!(
                floor == 0 || Of::<SUB_BITS>::of(floor - 1) == index - 1,
                "{floor}"
            );
            assert_eq!(Of::<SUB_BITS>::of(Of::<SUB_BITS>::middle(index)), index);
        }
        assert_eq!(Of::<SUB_BITS>::of(u64::MAX), Of::<SUB_BITS>::COUNT - 1);
    }

    #[test]
    fn a_bucket_begins_where_the_one_before_it_ends() {
        begins_where_the_one_before_it_ends::<2>();
        begins_where_the_one_before_it_ends::<3>();
    }
}
