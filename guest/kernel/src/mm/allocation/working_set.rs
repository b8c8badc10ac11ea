//! The working-set policy (Denning, 1968): a member runs only with frames for all the pages that it
//! has used lately.

use super::admit::admit;
use super::{FrameAllocation, Member};

/// Admits as many members as have room with their working sets.
pub(super) struct WorkingSet;

impl FrameAllocation for WorkingSet {
    fn divide(&mut self, frames: u64, members: &mut [Member], _: Option<u64>) {
        admit(frames, members, |member| member.working_set);
    }
}
