//! Confined areas: pages of a program that share a budget of frames of their own, under a page
//! replacement policy of their own, with counts of their own.
//!
//! With [`Confine::traced`], every use of another page than the one used last is seen: only the page
//! used last is open to the program, the others are protected, and the fault that follows is told
//! to the policy and recorded. That is how LRU is exact, and how OPT learns of its future.

/// Most uses that are recorded or foretold.
pub const MOST_USES: u64 = 1 << 16;

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
    /// Ticks after which a page that was not used is no longer part of a working set.
    pub window: u64,
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

impl Confine {
    /// The policy's name; `None` if that is no text.
    pub fn policy_name(&self) -> Option<&str> {
        let len = self.policy.iter().position(|byte| *byte == 0);
        core::str::from_utf8(&self.policy[..len.unwrap_or(NAME_BYTES)]).ok()
    }

    /// The name as bytes; `None` for one that is too long.
    pub fn policy_bytes(name: &str) -> Option<[u8; NAME_BYTES]> {
        let mut bytes = [0; NAME_BYTES];
        bytes
            .get_mut(..name.len())?
            .copy_from_slice(name.as_bytes());
        Some(bytes)
    }
}

const _: () = assert!(size_of::<Confine>() == NAME_BYTES + 7 * 8);
const _: () = assert!(size_of::<ConfinedCounts>() == 8 * 8);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_stands_before_the_zeroes() {
        let policy = |name| Confine::policy_bytes(name);
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
