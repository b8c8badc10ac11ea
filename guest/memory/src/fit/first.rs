//! First fit.

use super::{Fit, Hole};

/// Takes the first hole that is large enough.
pub(super) struct First;

impl Fit for First {
    fn choose(&mut self, holes: &[Hole], size: usize, looked: &mut u64) -> Option<usize> {
        let mut holes = holes.iter().inspect(|_| *looked += 1);
        holes.position(|hole| hole.size >= size)
    }
}
