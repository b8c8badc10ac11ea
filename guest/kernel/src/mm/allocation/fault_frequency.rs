//! Page-fault-frequency control (Chu, Opderbeck, 1976): who faults too often is given a frame more,
//! who seldom faults gives one back, and when there is none left the member that came last is
//! suspended.

use alloc::vec::Vec;

use super::admit::admit;
use super::{FrameAllocation, Member, Settings};

/// Frames that a member begins with.
const FIRST: u64 = 2;

/// Gives members what their faults show that they need.
pub(super) struct FaultFrequency {
    settings: Settings,
    /// What each member is found to need, by number.
    needs: Vec<(u64, u64)>,
}

impl FaultFrequency {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            needs: Vec::new(),
        }
    }

    /// What that member needs, to be changed.
    fn need(&mut self, member: &Member) -> &mut u64 {
        let known = self.needs.iter().position(|(id, _)| *id == member.id);
        let index = known.unwrap_or_else(|| {
            self.needs.push((member.id, FIRST));
            self.needs.len() - 1
        });
        &mut self.needs[index].1
    }
}

impl FrameAllocation for FaultFrequency {
    fn divide(&mut self, frames: u64, members: &mut [Member], faulting: Option<u64>) {
        self.needs
            .retain(|(id, _)| members.iter().any(|member| member.id == *id));
        let Settings { low, high } = self.settings;
        for member in &*members {
            let need = self.need(member);
            if faulting == Some(member.id) {
                match member.interval {
                    interval if interval < low => *need = (*need + 1).min(member.pages),
                    interval if interval > high => *need = (*need - 1).max(1),
                    _ => {}
                }
            }
        }
        let needs = &self.needs;
        admit(frames, members, |member| {
            let known = needs.iter().find(|(id, _)| *id == member.id);
            known.map_or(FIRST, |(_, need)| *need)
        });
    }
}
