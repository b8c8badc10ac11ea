//! What a process's communication costs: crossings into the kernel, and copies.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use abi::syscall::Transfers;

/// Counts that [`Transfers`] are made of.
#[derive(Debug, Default)]
pub struct TransferCounts {
    crossings: AtomicU64,
    copies: AtomicU64,
    copied_bytes: AtomicU64,
}

impl TransferCounts {
    /// A system call returns.
    #[inline]
    pub fn crossed(&self) {
        self.crossings.fetch_add(1, Relaxed);
    }

    /// So many bytes have been copied at once; nothing, if there were none.
    pub fn copied(&self, bytes: u64) {
        if bytes > 0 {
            self.copies.fetch_add(1, Relaxed);
            self.copied_bytes.fetch_add(bytes, Relaxed);
        }
    }

    /// The counts so far. The call that asks is not to be counted when it returns.
    pub fn tell(&self) -> Transfers {
        let crossings = self.crossings.fetch_sub(1, Relaxed);
        Transfers {
            crossings,
            copies: self.copies.load(Relaxed),
            copied_bytes: self.copied_bytes.load(Relaxed),
        }
    }

    /// For another process.
    pub(super) fn reset(&self) {
        for count in [&self.crossings, &self.copies, &self.copied_bytes] {
            count.store(0, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asking_is_not_counted() {
        let counts = TransferCounts::default();
        for _ in 0..4 {
            counts.copied(8);
            counts.crossed();
        }
        counts.copied(0);
        let expected = Transfers {
            crossings: 4,
            copies: 4,
            copied_bytes: 32,
        };
        for _ in 0..2 {
            assert_eq!(counts.tell(), expected);
            counts.crossed();
        }
        counts.reset();
        assert_eq!(counts.tell(), Transfers::default());
    }
}
