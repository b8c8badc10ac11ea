//! Reader-writer locks: many readers or one writer, by who goes first (Courtois, Heymans and Parnas,
//! 1971).

#[cfg(test)]
mod conformance;
mod fair;
mod reader_first;
mod writer_first;

pub use fair::Fair;
pub use reader_first::ReaderFirst;
pub use writer_first::WriterFirst;

/// A lock that many may read under, or one may write under.
pub trait RwLock: Sync {
    /// Waits until it may read.
    fn read(&self);
    /// Has read.
    fn end_read(&self);
    /// Waits until it may write.
    fn write(&self);
    /// Has written.
    fn end_write(&self);
}

/// Bit of a word: somebody writes.
const WRITER: u32 = 1 << 31;
