//! No parts: global replacement.

use super::{FrameAllocation, Member, by_weight};

/// Who needs a page takes a frame from anybody.
pub(super) struct Global;

impl FrameAllocation for Global {
    /// Nobody keeps to it.
    fn divide(&mut self, frames: u64, members: &mut [Member], _: Option<u64>) {
        by_weight(frames, members, |_| 1);
    }

    fn is_global(&self) -> bool {
        true
    }
}
