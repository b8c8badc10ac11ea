//! Page replacement: which page goes when a budget of frames is used up.
//!
//! One file a policy, and one line in [`POLICIES`]. A policy knows pages by address and nothing
//! else; the address space ([`super::space`]) tells it what comes and goes, does the evicting, and
//! refuses a victim that is not there or that a device is using ([`select`]).
//!
//! Some policies must be told every use of a page ([`Known::needs_uses`]); that is for confined
//! areas ([`super::confined`]) that are traced.

mod aging;
mod clock;
mod counted;
mod enhanced;
mod fifo;
mod liar;
mod lru;
mod opt;
mod random;
mod select;
mod wsclock;

use alloc::boxed::Box;
use alloc::vec::Vec;

pub use select::{Refusal, select};

/// What a policy may ask about the pages of its budget.
pub trait Pages {
    /// Whether the page was used since this was asked last.
    fn take_accessed(&self, page: u64) -> bool;
    /// Whether the page would have to be written to the swap area.
    fn is_dirty(&self, page: u64) -> bool;
    /// Whether the page is in memory.
    fn is_resident(&self, page: u64) -> bool;
    /// Whether a device is using the page, so that it must stay.
    fn is_pinned(&self, page: u64) -> bool;
}

/// Chooses the page to evict.
pub trait ReplacementPolicy: Send {
    /// `page` has come into memory.
    fn page_in(&mut self, page: u64);
    /// `page` has gone, evicted or not.
    fn page_out(&mut self, page: u64);
    /// The page that should go; `None` if all are pinned. It counts as there until
    /// [`Self::page_out`].
    fn select_victim(&mut self, pages: &dyn Pages) -> Option<u64>;
    /// `page`, which is in memory, is being used; another was before. Only in traced areas.
    fn used(&mut self, _page: u64) {}
    /// The policy's clock ticks.
    fn tick(&mut self, _pages: &dyn Pages) {}
}

/// What a policy is made with.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// What random numbers begin with.
    pub seed: u64,
    /// Ticks after which a page that was not used is no longer part of a working set.
    pub window: u64,
    /// The pages that will be used, in their order, where that is known.
    pub future: Vec<u64>,
}

/// A policy as it is chosen by name.
#[derive(Debug)]
pub struct Known {
    /// As it stands on the command line and in experiments.
    pub name: &'static str,
    /// Whether it is of no use unless it is told every use.
    pub needs_uses: bool,
    /// Makes one without pages.
    pub make: fn(Settings) -> Box<dyn ReplacementPolicy>,
}

/// The default.
pub const CLOCK: &Known = &POLICIES[0];
/// What [`abi::syscall::Replacement::Fifo`] stands for.
pub const FIFO: &Known = &POLICIES[1];

/// All of them.
pub static POLICIES: &[Known] = &[
    known("clock", |_| Box::new(clock::Clock::default())),
    known("fifo", |_| Box::new(fifo::Fifo::default())),
    known("random", |settings| Box::new(random::Random::new(settings))),
    known("enhanced", |_| Box::new(enhanced::Enhanced::default())),
    known("aging", |_| Box::new(aging::Aging::default())),
    known("wsclock", |settings| {
        Box::new(wsclock::WsClock::new(settings))
    }),
    told("lru", |_| Box::new(lru::Lru::default())),
    told("lfu", |_| Box::new(counted::Counted::least())),
    told("mfu", |_| Box::new(counted::Counted::most())),
    told("opt", |settings| Box::new(opt::Opt::new(settings))),
];

/// One that is wrong, to see what is done about it.
pub static WRONG: Known = known("liar", |_| Box::new(liar::Liar::default()));

const fn known(name: &'static str, make: fn(Settings) -> Box<dyn ReplacementPolicy>) -> Known {
    Known {
        name,
        needs_uses: false,
        make,
    }
}

/// One that has to be told every use.
const fn told(name: &'static str, make: fn(Settings) -> Box<dyn ReplacementPolicy>) -> Known {
    Known {
        needs_uses: true,
        ..known(name, make)
    }
}

/// The policy of that name.
pub fn from_name(name: &str) -> Option<&'static Known> {
    let mut all = POLICIES.iter().chain([&WRONG]);
    all.find(|known| known.name == name)
}

/// The policy of that name, if it can do without being told every use, so that whole programs can be
/// under it.
pub fn for_programs(name: &str) -> Option<&'static Known> {
    from_name(name).filter(|known| !known.needs_uses)
}

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod course;
