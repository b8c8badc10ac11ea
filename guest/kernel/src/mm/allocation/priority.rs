//! Parts by priority.

use super::{FrameAllocation, Member, by_weight};

/// Members have frames in proportion to their priority.
pub(super) struct Priority;

impl FrameAllocation for Priority {
    fn divide(&mut self, frames: u64, members: &mut [Member], _: Option<u64>) {
        by_weight(frames, members, |member| member.priority);
    }
}
