//! Best fit.

use super::{Fit, Hole};

/// Takes the smallest hole that is large enough.
pub(super) struct Best;

impl Fit for Best {
    fn choose(&mut self, holes: &[Hole], size: usize, looked: &mut u64) -> Option<usize> {
        *looked += holes.len() as u64;
        let fits = holes
            .iter()
            .enumerate()
            .filter(|(_, hole)| hole.size >= size);
        fits.min_by_key(|(_, hole)| hole.size)
            .map(|(index, _)| index)
    }
}
