//! Names of things that processes share.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use abi::syscall::Errno;

use crate::sync::SpinLock;

/// Longest name in bytes.
pub const MAX_NAME: u64 = 64;
/// Most things of one kind that have names at a time.
const MOST: usize = 256;

/// Things of one kind by their names. A name goes with the thing, which is not kept here.
pub struct Names<T>(SpinLock<Vec<(Vec<u8>, Weak<T>)>>);

/// What was asked for by a name.
#[derive(Debug, PartialEq, Eq)]
pub enum Named<T> {
    /// It was there.
    Found(Arc<T>),
    /// It has been made.
    Made(Arc<T>),
}

impl<T> Named<T> {
    /// It, wherever it comes from.
    pub fn take(self) -> Arc<T> {
        match self {
            Self::Found(thing) | Self::Made(thing) => thing,
        }
    }
}

impl<T> Names<T> {
    /// No names yet.
    pub const fn new() -> Self {
        Self(SpinLock::new(Vec::new()))
    }

    /// What has that name.
    pub fn find(&self, name: &[u8]) -> Option<Arc<T>> {
        let names = self.0.lock();
        let found = names
            .iter()
            .find(|(other, thing)| other == name && thing.strong_count() > 0);
        found.and_then(|(_, thing)| thing.upgrade())
    }

    /// What has that name, or else `new`, which has it from now on.
    pub fn find_or_add(&self, name: Vec<u8>, new: Arc<T>) -> Result<Named<T>, Errno> {
        let mut names = self.0.lock();
        names.retain(|(_, thing)| thing.strong_count() > 0);
        let found = names.iter().find(|(other, _)| *other == name);
        if let Some(found) = found.and_then(|(_, thing)| thing.upgrade()) {
            return Ok(Named::Found(found));
        }
        if names.len() >= MOST {
            return Err(Errno::NoSpc);
        }
        names.push((name, Arc::downgrade(&new)));
        Ok(Named::Made(new))
    }
}

impl<T> Default for Names<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_with_what_has_it() {
        let names = Names::new();
        let first = Arc::new(1);
        let made = names.find_or_add(b"a".to_vec(), first.clone());
        assert_eq!(made, Ok(Named::Made(first.clone())));
        let again = names.find_or_add(b"a".to_vec(), Arc::new(2));
        assert_eq!(again, Ok(Named::Found(first.clone())));
        assert_eq!(names.find(b"a"), Some(first.clone()));
        assert_eq!(names.find(b"b"), None);
        drop((first, made, again));
        assert_eq!(names.find(b"a"), None);
        let third = Arc::new(3);
        let made = names.find_or_add(b"a".to_vec(), third.clone());
        assert_eq!(made, Ok(Named::Made(third)));
    }

    #[test]
    fn there_is_an_end_of_names() {
        let names = Names::new();
        let things: Vec<_> = (0..MOST).map(Arc::new).collect();
        for thing in &things {
            let name = thing.to_le_bytes().to_vec();
            assert!(names.find_or_add(name, thing.clone()).is_ok());
        }
        let more = names.find_or_add(b"one more".to_vec(), Arc::new(0));
        assert_eq!(more, Err(Errno::NoSpc));
    }
}
