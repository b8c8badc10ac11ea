//! Parts by size.

use super::{FrameAllocation, Member, by_weight};

/// Members have frames in proportion to their pages.
pub(super) struct Proportional;

impl FrameAllocation for Proportional {
    fn divide(&mut self, frames: u64, members: &mut [Member], _: Option<u64>) {
        by_weight(frames, members, |member| member.pages);
    }
}
