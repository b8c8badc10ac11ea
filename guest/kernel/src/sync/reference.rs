//! A reference that changes.

use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{AtomicPtr, Ordering};

/// `Option<&'static T>`, read and written by any processor.
pub struct AtomicRef<T: 'static> {
    pointer: AtomicPtr<T>,
    _reference: PhantomData<&'static T>,
}

impl<T> AtomicRef<T> {
    /// None.
    pub const fn new() -> Self {
        Self {
            pointer: AtomicPtr::new(ptr::null_mut()),
            _reference: PhantomData,
        }
    }

    /// What it refers to.
    #[inline]
    pub fn load(&self) -> Option<&'static T> {
        // SAFETY: null, or stored by `store` from a static reference.
        unsafe { self.pointer.load(Ordering::Acquire).as_ref() }
    }

    /// Lets it refer to something else.
    pub fn store(&self, reference: Option<&'static T>) {
        let pointer = reference.map_or(ptr::null_mut(), |reference| {
            ptr::from_ref(reference).cast_mut()
        });
        self.pointer.store(pointer, Ordering::Release);
    }
}

impl<T> Default for AtomicRef<T> {
    fn default() -> Self {
        Self::new()
    }
}
