//! Reader-writer locks by name.

use sync::rw::{Fair, ReaderFirst, RwLock, WriterFirst};

use super::Futex;

/// One of every preference.
pub struct RwLocks {
    reader_first: ReaderFirst<Futex>,
    writer_first: WriterFirst<Futex>,
    fair: Fair<Futex>,
}

/// Their names.
pub const NAMES: [&str; 3] = ["reader-first", "writer-first", "fair"];

impl RwLocks {
    /// Nobody is in; waiters look `patience` times before they sleep.
    pub const fn new(patience: u32) -> Self {
        Self {
            reader_first: ReaderFirst::new(patience),
            writer_first: WriterFirst::new(patience),
            fair: Fair::new(patience),
        }
    }

    /// That of the name, which is one of [`NAMES`].
    pub fn by_name(&self, name: &str) -> Option<&dyn RwLock> {
        let all: [&dyn RwLock; 3] = [&self.reader_first, &self.writer_first, &self.fair];
        let index = NAMES.iter().position(|other| *other == name)?;
        Some(all[index])
    }
}
