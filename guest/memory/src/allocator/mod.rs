//! Allocators for requests of any size from one piece of memory, behind one trait.
//!
//! Places are bytes from the memory's beginning.

pub mod buddies;
#[cfg(test)]
mod conformance;
#[cfg(any(test, feature = "kept"))]
pub mod first_fit;
pub mod slabs;

/// An allocator.
pub trait Allocator {
    /// Memory for `bytes`, from 1 up; `None` if there is no such piece.
    fn allocate(&mut self, bytes: usize) -> Option<usize>;

    /// Takes back what [`Self::allocate`] gave for so many bytes.
    fn release(&mut self, place: usize, bytes: usize);

    /// How many bytes are given for a request of `bytes`.
    fn granted(&self, bytes: usize) -> usize;

    /// Bytes of what it keeps beside the memory.
    fn own_bytes(&self) -> usize;

    /// Requests that a cache has served, and those that none could; nothing without caches.
    fn cached(&self) -> (u64, u64) {
        (0, 0)
    }

    /// Gives up what it only keeps for later.
    fn trim(&mut self) {}

    /// The largest request that could be served now, of at most `most` bytes.
    fn largest(&mut self, most: usize) -> usize {
        self.trim();
        let (mut fits, mut beyond) = (0, most + 1);
        while beyond - fits > 1 {
            let bytes = fits.midpoint(beyond);
            match self.allocate(bytes) {
                Some(place) => {
                    self.release(place, bytes);
                    fits = bytes;
                }
                None => beyond = bytes,
            }
            self.trim();
        }
        fits
    }
}
