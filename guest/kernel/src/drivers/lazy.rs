//! [`Lazy`]: a device that is brought up when it is first asked for.

use crate::sync::{Mutex, Once};

/// A value made at first use. Others that ask meanwhile sleep.
pub(super) struct Lazy<T> {
    value: Once<T>,
    making: Mutex<()>,
}

impl<T> Lazy<T> {
    pub(super) const fn new() -> Self {
        Self {
            value: Once::new(),
            making: Mutex::new(()),
        }
    }

    /// The value, if it has been made.
    pub(super) fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, made by `make` if nobody has yet.
    pub(super) fn get_or_make(&self, make: impl FnOnce() -> T) -> &T {
        if let Some(value) = self.value.get() {
            return value;
        }
        let _making = self.making.lock();
        match self.value.get() {
            Some(value) => value,
            None => self.value.set(make()),
        }
    }
}
