//! [`Statistics`]: what the guest says of its memory (virtio 1.3 5.5.6.4).

/// Bytes of an entry: a tag of 16 bits, a value of 64.
pub(super) const ENTRY_BYTES: usize = 10;

/// Names of the values, in the order of their tags. Those of memory are in bytes.
const NAMES: [&str; 16] = [
    "swap_in",
    "swap_out",
    "major_faults",
    "minor_faults",
    "free_memory",
    "total_memory",
    "available_memory",
    "disk_caches",
    "hugetlb_allocations",
    "hugetlb_failures",
    "oom_kills",
    "allocation_stalls",
    "scans_in_background",
    "scans_directly",
    "reclaims_in_background",
    "reclaims_directly",
];
/// Longest list of entries read: each value, and as many more that are not known.
pub(super) const MAX_BYTES: usize = 2 * NAMES.len() * ENTRY_BYTES;

/// The values that were given, by tag.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Statistics {
    values: [Option<u64>; NAMES.len()],
}

impl Statistics {
    /// Reads a list; tags that are not known are passed over, as is an entry cut short.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let mut this = Self::default();
        let (entries, _) = bytes.as_chunks::<ENTRY_BYTES>();
        for [tag_low, tag_high, value @ ..] in entries {
            let tag = u16::from_le_bytes([*tag_low, *tag_high]);
            if let Some(place) = this.values.get_mut(usize::from(tag)) {
                *place = Some(u64::from_le_bytes(*value));
            }
        }
        this
    }

    /// Names and values.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let named = NAMES.into_iter().zip(self.values);
        named.filter_map(|(name, value)| Some((name, value?)))
    }
}
