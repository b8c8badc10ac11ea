//! Walks the list of a function's capabilities (PCI 3.0 6.7), which may be any list.

use super::config::{BYTES, Config};

/// Command and status, which says in its upper half whether there is a list.
const COMMAND_STATUS: u8 = 0x04;
const HAS_LIST: u32 = 1 << (16 + 4);
/// Offset of the first capability.
const POINTER: u8 = 0x34;
/// Where capabilities may be: behind the header.
const HEADER_END: u8 = 0x40;
/// No list without a loop has more.
const MAX_CAPABILITIES: usize = (BYTES as usize - HEADER_END as usize) / 4;

/// A capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::drivers) struct Capability {
    /// Its offset, a multiple of 4.
    pub(in crate::drivers) at: u8,
    /// What it is.
    pub(in crate::drivers) id: u8,
    /// The two bytes behind id and offset of the next one.
    pub(in crate::drivers) word: u16,
}

impl Capability {
    /// Reads its 32 bits number `index`, of which the first were the header; `None` beyond the
    /// end of configuration space.
    pub(in crate::drivers) fn read32(&self, config: &impl Config, index: u8) -> Option<u32> {
        let offset = self.at.checked_add(index.checked_mul(4)?)?;
        Some(config.read32(offset))
    }
}

/// The capabilities in their order; each is read when it is asked for.
pub(in crate::drivers) fn capabilities(config: &impl Config) -> impl Iterator<Item = Capability> {
    let has_list = config.read32(COMMAND_STATUS) & HAS_LIST != 0;
    let mut next = if has_list {
        config.read32(POINTER) as u8
    } else {
        0
    };
    let walk = core::iter::from_fn(move || {
        // Two bits are for the future, and are none of the offset's.
        let at = next & !3;
        if at < HEADER_END {
            return None;
        }
        let [id, after, low, high] = config.read32(at).to_le_bytes();
        next = after;
        let word = u16::from_le_bytes([low, high]);
        Some(Capability { at, id, word })
    });
    walk.take(MAX_CAPABILITIES)
}

#[cfg(test)]
mod tests {
    use super::super::config::testing::Fake;
    use super::*;

    fn ids(config: &Fake) -> Vec<u8> {
        capabilities(config).map(|found| found.id).collect()
    }

    #[test]
    fn capabilities_come_in_the_order_of_their_list() {
        let config = Fake::new()
            .with(0x40, &[0x11, 0x83, 7, 0x80])
            .with(0x80, &[0x09, 0, 16, 1]);
        let found: Vec<_> = capabilities(&config).collect();
        let word = |at, id, word| Capability { at, id, word };
        assert_eq!(found, [word(0x40, 0x11, 0x8007), word(0x80, 0x09, 0x0110)]);
    }

    #[test]
    fn a_function_without_a_list_has_no_capabilities() {
        let config = Fake::new().with(0x06, &[0]).with(0x40, &[9, 0]);
        assert!(ids(&config).is_empty());
    }

    #[test]
    fn a_list_that_loops_ends() {
        let config = Fake::new().with(0x40, &[1, 0x50]).with(0x50, &[2, 0x40]);
        assert_eq!(ids(&config).len(), MAX_CAPABILITIES);
        assert!(config.reads.get() <= MAX_CAPABILITIES + 2);
    }

    #[test]
    fn a_list_that_leads_into_the_header_ends_there() {
        let config = Fake::new().with(0x40, &[1, 0x3c]);
        assert_eq!(ids(&config), [1]);
    }

    #[test]
    fn a_capability_ends_with_configuration_space() {
        let config = Fake::new().with(0x34, &[0xf8]).with(0xf8, &[9, 0]);
        let last = capabilities(&config).next().unwrap();
        assert_eq!(last.read32(&config, 1), Some(0));
        assert_eq!(last.read32(&config, 2), None);
        assert_eq!(last.read32(&config, 255), None);
    }
}
