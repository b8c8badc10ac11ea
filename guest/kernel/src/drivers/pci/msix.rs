//! [`Msix`]: a function's table of message-signalled interrupts (PCI 3.0 6.8.2).

use super::{Capability, Config, Function, bar};
use crate::irq::Message;
use crate::mm::{MmioRegion, PhysAddr};

/// Capability id.
pub(in crate::drivers) const ID: u8 = 0x11;
/// Message control: last vector, all masked, on.
const LAST: u16 = 0x7ff;
const FUNCTION_MASK: u16 = 1 << 14;
const ENABLE: u16 = 1 << 15;
/// Offset of message control in the capability.
const CONTROL: u8 = 2;
/// In the capability's second 32 bits: which BAR the table is in.
const BAR: u32 = 7;
/// Bytes of a table entry: address, data, and control, whose bit 0 masks the vector.
const ENTRY_BYTES: u64 = 16;

/// Where the table is, and how many vectors it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::drivers) struct Msix {
    capability: Capability,
    address: u64,
    vectors: u16,
}

impl Msix {
    /// What that capability says; `None` if it is another, or lies.
    pub(in crate::drivers) fn parse(config: &impl Config, capability: Capability) -> Option<Self> {
        if capability.id != ID {
            return None;
        }
        let vectors = (capability.word & LAST) + 1;
        let table = capability.read32(config, 1)?;
        let len = u64::from(vectors) * ENTRY_BYTES;
        // The BAR's number has three bits.
        let address = bar(config, (table & BAR) as u8, table & !BAR, len)?;
        Some(Self {
            capability,
            address,
            vectors,
        })
    }

    /// Lets the first vectors send `messages`, and the function no other interrupt; false if it
    /// has not so many.
    pub(in crate::drivers) fn enable(&self, function: &Function, messages: &[Message]) -> bool {
        let len = messages.len() as u64 * ENTRY_BYTES;
        if messages.len() > self.vectors.into() {
            return false;
        }
        let Some(table) = MmioRegion::map(PhysAddr(self.address), len) else {
            return false;
        };
        for (at, message) in (0..).step_by(ENTRY_BYTES as usize).zip(messages) {
            table.write64(at, message.address);
            // Control 0: not masked.
            table.write64(at + 8, message.data.into());
        }
        let control = self.capability.word & !FUNCTION_MASK | ENABLE;
        function.write16(self.capability.at + CONTROL, control);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::capabilities;
    use super::super::config::testing::Fake;
    use super::*;

    fn parse(config: &Fake) -> Option<Msix> {
        Msix::parse(config, capabilities(config).next().unwrap())
    }

    #[test]
    fn a_table_is_where_its_capability_says() {
        let config = Fake::new()
            .with_bar(1, 0xc000_0000)
            .with(0x40, &[ID, 0, 2, 0, 0x01, 0x20, 0, 0]);
        let found = parse(&config).unwrap();
        assert_eq!((found.address, found.vectors), (0xc000_2000, 3));
    }

    #[test]
    fn a_table_in_no_memory_is_none() {
        for bar in [2, 6, 7] {
            let config = Fake::new()
                .with_bar(1, 0xc000_0000)
                .with(0x40, &[ID, 0, 2, 0, bar, 0x20, 0, 0]);
            assert_eq!(parse(&config), None, "BAR {bar}");
        }
    }

    #[test]
    fn a_capability_at_the_end_or_of_another_kind_is_none() {
        let end = Fake::new().with(0x34, &[0xfc]).with(0xfc, &[ID, 0, 2, 0]);
        assert_eq!(parse(&end), None);
        let other = Fake::new()
            .with_bar(0, 0xc000_0000)
            .with(0x40, &[ID - 1, 0, 2, 0, 0, 0x20, 0, 0]);
        assert_eq!(parse(&other), None);
    }
}
