//! [`Working`]: what a device with work of its own, in threads or under way, is asked from outside.

/// A device with work of its own.
pub trait Working: Send {
    /// Accesses, settings and requests of the driver that were refused so far; a device whose
    /// manual gives everything a meaning refuses nothing.
    fn refused(&self) -> u64 {
        0
    }

    /// The VM has ended: what is in flight, and what consoles have yet to say, is completed, and
    /// the device's threads end.
    fn finish(&mut self);
}
