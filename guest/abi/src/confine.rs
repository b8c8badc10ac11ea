//! Confined areas: pages of a program that share a budget of frames of their own, under a page
//! replacement policy of their own, with counts of their own.
//!
//! With [`Confine::traced`], every use of another page than the one used last is seen: only the page
//! used last is open to the program, the others are protected, and the fault that follows is told
//! to the policy and recorded. That is how LRU is exact, and how OPT learns of its future.

/// Most uses that are recorded or foretold.
pub const MOST_USES: u64 = 1 << 14;

/// Most pages of an area, or that advice ([`crate::syscall::Sysno::Advise`]) is about.
pub const MOST_PAGES: u64 = 1 << 12;

/// Bytes of a policy's name.
pub const NAME_BYTES: usize = 24;

/// What [`crate::syscall::Sysno::Confine`] is told.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confine {
    /// Name of the policy, filled up with zeroes.
    pub policy: [u8; NAME_BYTES],
    /// Pages that may be in memory at once: from 1 up. An instruction that needs more of them at
    /// once never ends.
    pub frames: u64,
    /// Nonzero: every use is seen, and as many are recorded, up to [`MOST_USES`].
    pub traced: u64,
    /// Uses (of areas that are not traced: faults) from one tick of the policy's clock to the
    /// next; 0 for 1.
    pub tick: u64,
    /// What random numbers begin with.
    pub seed: u64,
    /// Ticks (for a member of a pool: uses) after which a page that was not used is no longer part of
    /// a working set.
    pub window: u64,
    /// 0, or 1 more than the number of the pool that says how many frames it may have in place of
    /// `frames`.
    pub pool: u64,
    /// Its priority in the pool, 1 the lowest.
    pub priority: u64,
    /// Address of the uses that will be, as u32 page numbers; for OPT.
    pub future: u64,
    /// Their number, up to [`MOST_USES`].
    pub future_len: u64,
}

/// What has happened in a confined area; see [`crate::syscall::Sysno::ConfinedCounts`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConfinedCounts {
    /// Pages that came into memory.
    pub faults: u64,
    /// Uses seen, if it is traced.
    pub uses: u64,
    /// Those of them that are recorded.
    pub recorded: u64,
    /// Pages written to the swap area.
    pub evictions_written: u64,
    /// Pages dropped, as they can be had again.
    pub evictions_clean: u64,
    /// Pages read back from the swap area.
    pub swap_ins: u64,
    /// Frames in use.
    pub resident: u64,
    /// Victims that the policy named and the kernel refused.
    pub refused: u64,
}

/// What [`crate::syscall::Sysno::PoolOpen`] is told: frames that confined areas of several processes
/// share.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolSetup {
    /// Name of the policy of allocation, filled up with zeroes.
    pub allocation: [u8; NAME_BYTES],
    /// Frames in it.
    pub frames: u64,
    /// Free frames below which the one who serves it begins to evict.
    pub low: u64,
    /// Free frames at which it stops.
    pub high: u64,
    /// Uses between two faults below which a member has too few frames.
    pub low_interval: u64,
    /// Uses between two faults above which a member has too many.
    pub high_interval: u64,
}

/// What has happened in a pool; see [`crate::syscall::Sysno::PoolCounts`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolCounts {
    /// Members now.
    pub members: u64,
    /// Those of them that are suspended.
    pub suspended: u64,
    /// Frames in use.
    pub used: u64,
    /// Most that were in use.
    pub most_used: u64,
    /// Pages that came into memory.
    pub faults: u64,
    /// Times that a member was suspended.
    pub suspensions: u64,
    /// Pages that a fault had to have evicted first, as the pool was full.
    pub direct: u64,
    /// Pages that the one who serves the pool has evicted.
    pub daemon: u64,
    /// Divisions of the policy that the kernel refused.
    pub refused: u64,
}

impl Confine {
    /// The policy's name; `None` if that is no text.
    pub fn policy_name(&self) -> Option<&str> {
        name_of(&self.policy)
    }
}

impl PoolSetup {
    /// The policy's name; `None` if that is no text.
    pub fn allocation_name(&self) -> Option<&str> {
        name_of(&self.allocation)
    }
}

/// What stands before the zeroes.
fn name_of(bytes: &[u8; NAME_BYTES]) -> Option<&str> {
    let len = bytes.iter().position(|byte| *byte == 0);
    core::str::from_utf8(&bytes[..len.unwrap_or(NAME_BYTES)]).ok()
}

/// A policy's name as bytes; `None` for one that is too long.
pub fn name_bytes(name: &str) -> Option<[u8; NAME_BYTES]> {
    let mut bytes = [0; NAME_BYTES];
    bytes
        .get_mut(..name.len())?
        .copy_from_slice(name.as_bytes());
    Some(bytes)
}

const _: () = assert!(size_of::<Confine>() == NAME_BYTES + 9 * 8);
const _: () = assert!(size_of::<ConfinedCounts>() == 8 * 8);
const _: () = assert!(size_of::<PoolSetup>() == NAME_BYTES + 5 * 8);
const _: () = assert!(size_of::<PoolCounts>() == 9 * 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_stands_before_the_zeroes() {
        let policy = |name| name_bytes(name);
        for name in ["", "fifo", "x23456789012345678901234"] {
            let confine = Confine {
                policy: policy(name).unwrap(),
                ..Confine::default()
            };
            assert_eq!(confine.policy_name(), Some(name));
        }
        assert_eq!(policy("x234567890123456789012345"), None);
        let confine = Confine {
            policy: [0xff; NAME_BYTES],
            ..Confine::default()
        };
        assert_eq!(confine.policy_name(), None);
    }
}
