//! Equal parts.

use super::{FrameAllocation, Member, by_weight};

/// Every member has as many frames as any other.
pub(super) struct Equal;

impl FrameAllocation for Equal {
    fn divide(&mut self, frames: u64, members: &mut [Member], _: Option<u64>) {
        by_weight(frames, members, |_| 1);
    }
}
