//! A value in memory that a process has in common with its children.
#![expect(
    unsafe_code,
    reason = "puts a value into memory that was mapped for it"
)]

use core::ops::Deref;
use core::ptr;

use crate::check::{Context as _, Failure};
use crate::sys;

/// A value that all threads of this process, and all of its children from now on, share. It stays until
/// the last of them ends.
pub struct Common<T: 'static>(&'static T);

impl<T: Sync> Common<T> {
    /// Puts `value` there.
    pub fn new(value: T) -> Result<Self, Failure> {
        let address = sys::mmap_shared(size_of::<T>().max(1)).context("common memory")?;
        let place: *mut T = ptr::with_exposed_provenance_mut(address);
        // SAFETY: memory of that size that nobody else uses, aligned to a page, and mapped for good.
        let value = unsafe {
            place.write(value);
            &*place
        };
        Ok(Self(value))
    }
}

impl<T> Clone for Common<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Common<T> {}

impl<T> Deref for Common<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
    }
}

const _: () = assert!(align_of::<sync::Padded<u8>>() <= crate::mapping::PAGE);
