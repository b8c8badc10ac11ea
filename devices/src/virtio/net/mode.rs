//! [`NetState`]: what the driver has set by commands, and which frames it wants for that.

use super::spec;
use crate::net::mac::MacAddress;

/// Longest table of addresses kept. A longer one is taken for all addresses, as what is received
/// is filtered as well as the device can (virtio 1.3 5.1.6.5.1).
pub(super) const TABLE_MAX: usize = 64;

/// What the driver has set by commands; to be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetState {
    /// The device's address.
    pub mac: MacAddress,
    /// Queue pairs in use.
    pub pairs: u16,
    /// Offloads that the driver takes, as feature bits; unless it says otherwise, all of those
    /// that it has agreed on.
    pub guest_offloads: Option<u64>,
    /// Bits by number of the command of class `CTRL_RX` that sets them.
    pub receive_modes: u8,
    /// Other stations to receive for.
    pub unicast: AddressTable,
    /// Groups to receive for.
    pub multicast: AddressTable,
}

/// Addresses to receive for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AddressTable {
    /// These.
    Listed(Vec<MacAddress>),
    /// More than can be kept.
    All,
}

impl AddressTable {
    /// A table of those addresses.
    pub fn new(addresses: Vec<MacAddress>) -> Self {
        if addresses.len() > TABLE_MAX {
            Self::All
        } else {
            Self::Listed(addresses)
        }
    }

    fn has(&self, address: MacAddress) -> bool {
        match self {
            Self::Listed(addresses) => addresses.contains(&address),
            Self::All => true,
        }
    }
}

impl NetState {
    /// After reset: one queue pair, and every frame is received, as a driver without `CTRL_RX`
    /// cannot ask for it.
    pub fn new(mac: MacAddress) -> Self {
        Self {
            mac,
            pairs: 1,
            guest_offloads: None,
            receive_modes: 1 << spec::CTRL_RX_PROMISC,
            unicast: AddressTable::Listed(Vec::new()),
            multicast: AddressTable::Listed(Vec::new()),
        }
    }

    /// Offloads that a received frame may have.
    pub fn offloads(&self) -> u64 {
        self.guest_offloads.unwrap_or(0)
    }

    /// Whether the driver wants a frame to that address.
    pub fn wants(&self, to: MacAddress) -> bool {
        let set = |mode: u8| self.receive_modes & (1 << mode) != 0;
        if set(spec::CTRL_RX_PROMISC) {
            true
        } else if to == MacAddress::BROADCAST {
            !set(spec::CTRL_RX_NOBCAST)
        } else if to.is_multicast() {
            !set(spec::CTRL_RX_NOMULTI) && (set(spec::CTRL_RX_ALLMULTI) || self.multicast.has(to))
        } else {
            !set(spec::CTRL_RX_NOUNI)
                && (to == self.mac || set(spec::CTRL_RX_ALLUNI) || self.unicast.has(to))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
    const OTHER: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);
    const GROUP: MacAddress = MacAddress([1, 0, 0x5e, 0, 0, 1]);
    const ALL: [MacAddress; 4] = [OWN, OTHER, GROUP, MacAddress::BROADCAST];

    fn wanted(modes: &[u8], change: impl FnOnce(&mut NetState)) -> [bool; 4] {
        let mut state = NetState::new(OWN);
        state.receive_modes = modes.iter().map(|mode| 1 << mode).sum();
        change(&mut state);
        ALL.map(|to| state.wants(to))
    }

    #[test]
    fn each_mode_lets_through_what_it_says() {
        for (modes, expected) in [
            (&[][..], [true, false, false, true]),
            (&[spec::CTRL_RX_PROMISC], [true; 4]),
            (&[spec::CTRL_RX_ALLMULTI], [true, false, true, true]),
            (&[spec::CTRL_RX_ALLUNI], [true, true, false, true]),
            (&[spec::CTRL_RX_NOUNI], [false, false, false, true]),
            (&[spec::CTRL_RX_NOBCAST], [true, false, false, false]),
            (
                &[spec::CTRL_RX_ALLMULTI, spec::CTRL_RX_NOMULTI],
                [true, false, false, true],
            ),
        ] {
            assert_eq!(wanted(modes, |_| {}), expected, "{modes:?}");
        }
    }

    #[test]
    fn tables_let_their_addresses_through_and_long_ones_all() {
        let listed = wanted(&[], |state| {
            state.unicast = AddressTable::new(vec![OTHER]);
            state.multicast = AddressTable::new(vec![GROUP]);
        });
        assert_eq!(listed, [true; 4]);
        let long = wanted(&[], |state| {
            state.multicast = AddressTable::new(vec![OWN; TABLE_MAX + 1]);
        });
        assert_eq!(long, [true, false, true, true]);
    }
}
