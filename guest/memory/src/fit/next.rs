//! Next fit.

use super::{Fit, Hole};

/// Takes the first hole that is large enough from where it took one last.
#[derive(Default)]
pub(super) struct Next {
    /// Address after the block made last.
    from: usize,
}

impl Fit for Next {
    fn choose(&mut self, holes: &[Hole], size: usize, looked: &mut u64) -> Option<usize> {
        let first = holes.partition_point(|hole| hole.start + hole.size <= self.from);
        let mut order = (first..holes.len()).chain(0..first);
        let index = order.find(|index| {
            *looked += 1;
            holes[*index].size >= size
        })?;
        self.from = holes[index].start + size;
        Some(index)
    }
}
