//! Frame allocation: how many frames of a pool each of its members may have.
//!
//! One file a policy, and one line in [`ALLOCATIONS`]. A policy is told what is known of the members
//! and divides; the pool ([`super::pool`]) looks whether that is possible ([`check`]), and has each
//! member keep to its share. A share of nothing suspends a member until it is given one again.

mod admit;
mod equal;
mod fault_frequency;
mod global;
mod priority;
mod proportional;
mod working_set;

use alloc::boxed::Box;

/// What is known of a member: a confined area of some process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Member {
    /// Its number; those that came later have higher ones, and stand behind.
    pub id: u64,
    /// Pages that it has, in memory or not.
    pub pages: u64,
    /// 1 the lowest.
    pub priority: u64,
    /// Its uses between its last fault and the one before.
    pub interval: u64,
    /// Pages that it has used within the pool's window of uses.
    pub working_set: u64,
    /// Frames that it may have; 0: it is suspended.
    pub share: u64,
}

/// Divides the frames of a pool.
pub trait FrameAllocation: Send {
    /// Sets the share of each member: one has come or gone, or that with number `faulting` needs a
    /// page.
    fn divide(&mut self, frames: u64, members: &mut [Member], faulting: Option<u64>);
    /// Whether frames are not divided at all: a page that is needed takes the frame of whichever has
    /// been in memory longest.
    fn is_global(&self) -> bool {
        false
    }
}

/// What a policy is made with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Uses between two faults below which a member has too few frames.
    pub low: u64,
    /// Uses between two faults above which it has too many.
    pub high: u64,
}

/// A policy as it is chosen by name.
#[derive(Debug)]
pub struct Known {
    /// As it stands in experiments.
    pub name: &'static str,
    /// Makes one.
    pub make: fn(Settings) -> Box<dyn FrameAllocation>,
}

/// All of them.
pub static ALLOCATIONS: [Known; 6] = [
    known("equal", |_| Box::new(equal::Equal)),
    known("proportional", |_| Box::new(proportional::Proportional)),
    known("priority", |_| Box::new(priority::Priority)),
    known("global", |_| Box::new(global::Global)),
    known("working-set", |_| Box::new(working_set::WorkingSet)),
    known("fault-frequency", |settings| {
        Box::new(fault_frequency::FaultFrequency::new(settings))
    }),
];

const fn known(name: &'static str, make: fn(Settings) -> Box<dyn FrameAllocation>) -> Known {
    Known { name, make }
}

/// The policy of that name.
pub fn from_name(name: &str) -> Option<&'static Known> {
    ALLOCATIONS.iter().find(|known| known.name == name)
}

/// What is wrong with how `frames` were divided, if something is.
pub fn check(frames: u64, members: &[Member]) -> Option<&'static str> {
    let sum = members
        .iter()
        .try_fold(0_u64, |sum, member| sum.checked_add(member.share));
    match sum {
        Some(0) if !members.is_empty() => Some("suspends all"),
        Some(sum) if sum <= frames => None,
        _ => Some("gives more than there is"),
    }
}

/// Parts of `frames` that are to each other as `weights`, at least one each; there are as many frames
/// as weights at least.
fn by_weight(frames: u64, members: &mut [Member], weight: impl Fn(&Member) -> u64) {
    let count = members.len() as u64;
    let all: u64 = members.iter().map(&weight).sum::<u64>().max(1);
    let spare = frames - count.min(frames);
    for member in members {
        member.share = 1 + spare * weight(member) / all;
    }
}

#[cfg(test)]
mod conformance;
