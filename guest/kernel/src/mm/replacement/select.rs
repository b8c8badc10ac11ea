//! Asking a policy, and what is done if it answers wrongly.

use super::{Pages, ReplacementPolicy};

/// Why a victim is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is not in memory, or not of this budget.
    Absent,
    /// A device is using it, or it was locked.
    Pinned,
}

impl Refusal {
    /// What is wrong with the page.
    pub fn words(self) -> &'static str {
        match self {
            Self::Absent => "is not in memory",
            Self::Pinned => "has to stay",
        }
    }
}

/// Wrong answers in a row after which a policy is no longer asked.
const MOST_REFUSALS: u32 = 8;

/// Asks `policy` for a page to evict. One that may not go is refused: `refuse` is told, the policy
/// forgets it and is asked again, but not for ever. `None` if it has none to name.
pub fn select(
    policy: &mut dyn ReplacementPolicy,
    pages: &dyn Pages,
    mut refuse: impl FnMut(u64, Refusal),
) -> Option<u64> {
    for _ in 0..MOST_REFUSALS {
        let page = policy.select_victim(pages)?;
        let refusal = match pages.is_resident(page) {
            true if !pages.is_pinned(page) => return Some(page),
            true => Refusal::Pinned,
            false => Refusal::Absent,
        };
        refuse(page, refusal);
        policy.page_out(page);
    }
    None
}
