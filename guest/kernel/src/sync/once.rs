//! A cell that is written once.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU8, Ordering};

const EMPTY: u8 = 0;
const WRITING: u8 = 1;
const FULL: u8 = 2;

/// A value that is set once, mostly at boot, and read from then on without a lock.
pub struct Once<T> {
    state: AtomicU8,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is written by one processor before `FULL` is published, and only read after.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Once<T> {
    /// An empty cell.
    pub const fn new() -> Self {
        Self {
            state: AtomicU8::new(EMPTY),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// Sets the value and gives a reference to it.
    ///
    /// # Panics
    /// If it was set before.
    pub fn set(&self, value: T) -> &T {
        let claimed =
            self.state
                .compare_exchange(EMPTY, WRITING, Ordering::Acquire, Ordering::Relaxed);
        assert!(claimed.is_ok(), "a Once was set twice");
        // SAFETY: the exchange above succeeds for one caller, and no reader passes before `FULL`.
        let value = unsafe { (*self.value.get()).write(value) };
        self.state.store(FULL, Ordering::Release);
        value
    }

    /// The value, if it has been set.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if self.state.load(Ordering::Acquire) != FULL {
            return None;
        }
        // SAFETY: `FULL` is stored after the value was written, which happens once.
        Some(unsafe { (*self.value.get()).assume_init_ref() })
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::Once;

    #[test]
    fn it_is_empty_until_set() {
        let once = Once::new();
        assert_eq!(once.get(), None);
        once.set(7);
        assert_eq!(once.get(), Some(&7));
    }

    #[test]
    #[should_panic(expected = "set twice")]
    fn it_is_set_once_only() {
        let once = Once::new();
        once.set(7);
        once.set(8);
    }
}
