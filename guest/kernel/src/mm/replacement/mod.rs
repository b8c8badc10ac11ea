//! Page replacement: which page of a process goes when its budget of frames is used up.
//!
//! One file a policy. A policy knows pages by number and nothing else; the address space
//! ([`super::space`]) tells it what comes and goes, does the evicting, and refuses a victim that
//! is not there or that a device is using.

mod clock;
mod fifo;

use alloc::boxed::Box;

pub use clock::Clock;
pub use fifo::Fifo;

/// What a policy may ask about the pages of its process.
pub trait Pages {
    /// Whether the page was used since this was asked last.
    fn take_accessed(&self, page: u64) -> bool;
    /// Whether a device is using the page, so that it must stay.
    fn is_pinned(&self, page: u64) -> bool;
}

/// Chooses the page to evict.
pub trait ReplacementPolicy: Send {
    /// As it stands on the command line.
    fn name(&self) -> &'static str;
    /// `page` has come into memory.
    fn page_in(&mut self, page: u64);
    /// `page` has gone, evicted or not.
    fn page_out(&mut self, page: u64);
    /// The page that should go; `None` if all are pinned. It counts as there until
    /// [`Self::page_out`].
    fn select_victim(&mut self, pages: &dyn Pages) -> Option<u64>;
}

/// A policy as it is chosen by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// [`Clock`].
    Clock,
    /// [`Fifo`].
    Fifo,
}

impl Policy {
    /// All of them, the default first.
    pub const ALL: [Self; 2] = [Self::Clock, Self::Fifo];

    /// As it stands on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clock => "clock",
            Self::Fifo => "fifo",
        }
    }

    /// The policy of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|policy| policy.name() == name)
    }

    /// A policy without pages.
    pub fn make(self) -> Box<dyn ReplacementPolicy> {
        match self {
            Self::Clock => Box::new(Clock::default()),
            Self::Fifo => Box::new(Fifo::default()),
        }
    }
}

#[cfg(test)]
mod conformance;
