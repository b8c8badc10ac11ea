//! Objects that outlive every reference to them.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::SpinLock;

/// A pool of objects of which each is made once and never given back to the heap, so that a
/// plain `&'static T` names one. Its user says when one may be used again.
pub struct Pool<T: 'static> {
    free: SpinLock<Vec<&'static T>>,
}

impl<T: Sync> Pool<T> {
    /// An empty pool.
    pub const fn new() -> Self {
        Self {
            free: SpinLock::new(Vec::new()),
        }
    }

    /// An object that is not in use, or a new one from `make`.
    pub fn take(&self, make: impl FnOnce() -> Option<T>) -> Option<&'static T> {
        let free = self.free.lock().pop();
        free.or_else(|| make().map(|object| &*Box::leak(Box::new(object))))
    }

    /// Gives back an object that nothing uses any more.
    pub fn give_back(&self, object: &'static T) {
        self.free.lock().push(object);
    }
}

impl<T: Sync> Default for Pool<T> {
    fn default() -> Self {
        Self::new()
    }
}
