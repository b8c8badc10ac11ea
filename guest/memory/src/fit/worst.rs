//! Worst fit.

use core::cmp::Reverse;

use super::{Fit, Hole};

/// Takes the largest hole.
pub(super) struct Worst;

impl Fit for Worst {
    fn choose(&mut self, holes: &[Hole], size: usize, looked: &mut u64) -> Option<usize> {
        *looked += holes.len() as u64;
        let fits = holes
            .iter()
            .enumerate()
            .filter(|(_, hole)| hole.size >= size);
        fits.min_by_key(|(_, hole)| Reverse(hole.size))
            .map(|(index, _)| index)
    }
}
