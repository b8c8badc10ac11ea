//! Contiguous allocation: memory is one piece, cut into blocks and holes.
//!
//! One file a policy, and one line in [`POLICIES`]: it chooses the hole that a block comes from. The
//! [`Arena`] keeps the list of holes, and looks whether what the policy has chosen is large enough.

mod arena;
mod best;
mod first;
mod next;
mod worst;

use alloc::boxed::Box;

pub use arena::{Arena, Block, Refused};

/// A piece that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Where it begins.
    pub start: usize,
    /// Its length.
    pub size: usize,
}

/// Chooses the hole to take a block from.
pub trait Fit {
    /// Index of the hole, of `holes` in the order of their addresses, that `size` is taken from;
    /// `None` if it fits into none. `looked` counts the holes that were looked at.
    fn choose(&mut self, holes: &[Hole], size: usize, looked: &mut u64) -> Option<usize>;
}

/// A policy by its name.
pub type Known = (&'static str, fn() -> Box<dyn Fit>);

/// All of them.
pub const POLICIES: [Known; 4] = [
    ("first", || Box::new(first::First)),
    ("next", || Box::new(next::Next::default())),
    ("best", || Box::new(best::Best)),
    ("worst", || Box::new(worst::Worst)),
];

/// The policy of that name.
pub fn from_name(name: &str) -> Option<Box<dyn Fit>> {
    let known = POLICIES.iter().find(|(known, _)| *known == name);
    known.map(|(_, make)| make())
}

#[cfg(test)]
mod conformance;
