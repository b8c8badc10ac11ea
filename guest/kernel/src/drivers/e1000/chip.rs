//! [`Chip`]: the card's registers, and how it is started (SDM 14).

use super::descriptors::DESCRIPTOR_BYTES;
use super::registers::{
    ADDRESS, ADDRESS_HIGH, ADDRESS_VALID, BYTES, CAUSES, CONTROL, FLOW_CONTROL, GAPS, INTERVAL,
    MASK_CLEAR, MASK_SET, MULTICAST, MULTICAST_REGISTERS, RECEIVE_CONTROL, RECEIVE_ON,
    RECEIVE_RING, THROTTLE, TRANSMIT_CONTROL, TRANSMIT_GAPS, TRANSMIT_ON, TRANSMIT_RING, cause,
    control, ring,
};
use super::{receive, transmit};
use crate::drivers::net::card::{Broken, is_station};
use crate::drivers::poll_for;
use crate::mm::{MmioRegion, PhysAddr};

/// A reset is not looked at before (SDM 13.4.1).
const RESET_NS: u64 = 10_000;
/// A card that has not read its EEPROM for so long has none.
const RESET_TIMEOUT_NS: u64 = 100_000_000;

/// The registers.
pub(super) struct Chip {
    registers: MmioRegion,
}

impl Chip {
    /// Those at that address.
    pub(super) fn new(address: u64) -> Option<Self> {
        let registers = MmioRegion::map(PhysAddr(address), BYTES)?;
        Some(Self { registers })
    }

    fn write(&self, register: u64, value: u32) {
        self.registers.write32(register, value);
    }

    /// The causes since they were read last; `None` if nobody answers.
    pub(super) fn take_causes(&self) -> Option<u32> {
        let causes = self.registers.read32(CAUSES);
        (causes != cause::ABSENT).then_some(causes)
    }

    /// Lets those causes interrupt, too.
    pub(super) fn unmask(&self, causes: u32) {
        self.write(MASK_SET, causes);
    }

    /// Lets them not interrupt.
    pub(super) fn mask(&self, causes: u32) {
        self.write(MASK_CLEAR, causes);
    }

    /// Tells the card of descriptors up to, not including, that one.
    pub(super) fn set_transmit_tail(&self, tail: u16) {
        self.write(TRANSMIT_RING + ring::TAIL, tail.into());
    }

    /// The same of the receive ring.
    pub(super) fn set_receive_tail(&self, tail: u16) {
        self.write(RECEIVE_RING + ring::TAIL, tail.into());
    }

    /// Ends all that the card does, without waiting.
    pub(super) fn stop(&self) {
        self.mask(cause::ALL);
        self.write(RECEIVE_CONTROL, 0);
        self.write(TRANSMIT_CONTROL, 0);
        self.write(CONTROL, control::RESET);
    }

    /// Resets the card; its address.
    pub(super) fn reset(&self) -> Result<[u8; 6], Broken> {
        self.stop();
        poll_for(RESET_NS, || false);
        let mut address = None;
        let is_ready = || {
            address = self.address();
            address.is_some()
        };
        poll_for(RESET_TIMEOUT_NS, is_ready);
        self.mask(cause::ALL);
        address.filter(|address| is_station(*address)).ok_or(Broken)
    }

    /// The address, once the reset is over.
    fn address(&self) -> Option<[u8; 6]> {
        if self.registers.read32(CONTROL) & control::RESET != 0 {
            return None;
        }
        let high = self.registers.read32(ADDRESS_HIGH);
        if high & ADDRESS_VALID == 0 {
            return None;
        }
        let [a, b, c, d] = self.registers.read32(ADDRESS).to_le_bytes();
        let [e, f, ..] = high.to_le_bytes();
        Some([a, b, c, d, e, f])
    }

    /// Starts the card, which was reset, with these rings.
    pub(super) fn start(&self, transmit: PhysAddr, receive: PhysAddr) {
        let value = self.registers.read32(CONTROL) & !control::BY_HAND;
        self.write(CONTROL, value | control::LINK_UP | control::AUTO_SPEED);
        for register in FLOW_CONTROL {
            self.write(register, 0);
        }
        for register in 0..MULTICAST_REGISTERS {
            self.write(MULTICAST + 4 * register, 0);
        }
        self.write(THROTTLE, INTERVAL);
        self.set_ring(RECEIVE_RING, receive, receive::COUNT);
        self.set_receive_tail(receive::FIRST_TAIL);
        self.write(RECEIVE_CONTROL, RECEIVE_ON);
        self.set_ring(TRANSMIT_RING, transmit, transmit::COUNT);
        self.set_transmit_tail(0);
        self.write(TRANSMIT_GAPS, GAPS);
        self.write(TRANSMIT_CONTROL, TRANSMIT_ON);
    }

    fn set_ring(&self, first: u64, address: PhysAddr, count: u16) {
        self.write(first + ring::BASE, address.0 as u32);
        self.write(first + ring::BASE_HIGH, (address.0 >> 32) as u32);
        self.write(
            first + ring::LENGTH,
            u32::from(count) * DESCRIPTOR_BYTES as u32,
        );
        self.write(first + ring::HEAD, 0);
    }
}
