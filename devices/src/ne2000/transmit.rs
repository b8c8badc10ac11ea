//! Packets out of the buffer memory (DP8390D data sheet, "Packet Transmission"), to the network or
//! back into the FIFO ("Loopback Diagnostics", and application note AN-937).
//!
//! A packet of a length that no network carries, 0 among them, is transmitted and lost.

use super::chip::Chip;
use super::crc;
use super::spec::{
    CR_TXP, FCS_BYTES, FIFO_BYTES, ISR_PTX, ISR_RXE, LB_ENDEC, LB_NIC, MAX_PACKET_BYTES,
    MIN_PACKET_BYTES, RSR_CRC, RSR_PRX, TCR_CRC, TCR_LB, TSR_CDH, TSR_CRS, TSR_PTX,
};

impl Chip {
    /// Whether packets bring their own check sequence.
    fn has_own_sequence(&self) -> bool {
        self.registers.tcr & TCR_CRC != 0
    }

    /// Takes the packet to transmit out of the buffer into `packet`, without its check sequence;
    /// false if it is not for the network, and done.
    pub(super) fn take_packet(&mut self, packet: &mut Vec<u8>) -> bool {
        let sequence_bytes = if self.has_own_sequence() {
            FCS_BYTES
        } else {
            0
        };
        packet.clear();
        if usize::from(self.registers.tbcr) <= MAX_PACKET_BYTES + sequence_bytes {
            let start = u16::from(self.registers.tpsr) << 8;
            let addresses = (0..self.registers.tbcr).map(|at| start.wrapping_add(at));
            packet.extend(addresses.map(|address| self.memory.read(address)));
        }
        if self.registers.tcr & TCR_LB != 0 {
            self.loop_back(packet);
            return false;
        }
        if self.has_own_sequence() {
            take_sequence(packet);
        }
        if packet.len() < MIN_PACKET_BYTES {
            self.transmitted(TSR_PTX);
            return false;
        }
        true
    }

    /// The packet is on its way: transmit status.
    pub(super) fn transmitted(&mut self, status: u8) {
        self.registers.tsr = status;
        self.registers.cr &= !CR_TXP;
        self.registers.isr |= ISR_PTX;
    }

    /// A packet comes back. Nothing is written to the ring; the FIFO keeps the last of its bytes,
    /// followed by their count. The one CRC unit either makes the check sequence, and then finds
    /// fault with the packet, or checks the packet's own.
    fn loop_back(&mut self, packet: &mut Vec<u8>) {
        if !self.has_own_sequence() {
            packet.extend(crc::check_sequence(packet));
        }
        // No longer than the longest.
        let [low, high] = (packet.len() as u16).to_le_bytes();
        let bytes = packet.iter().chain([&low, &high, &high]);
        for (at, byte) in bytes.enumerate() {
            self.registers.fifo[at % FIFO_BYTES] = *byte;
        }
        self.registers.fifo_next = 0;
        let address = packet.first_chunk().copied();
        let is_for_this = address.is_some_and(|address| self.registers.accepts(address));
        let is_intact = self.has_own_sequence() && take_sequence(packet);
        if is_for_this && !is_intact {
            self.registers.rsr = RSR_CRC;
            self.registers.isr |= ISR_RXE;
        } else {
            self.registers.rsr = RSR_PRX;
        }
        // Inside, nobody senses the carrier, and inside the chip not even the heartbeat.
        self.transmitted(match self.registers.tcr & TCR_LB {
            LB_NIC => TSR_PTX | TSR_CRS | TSR_CDH,
            LB_ENDEC => TSR_PTX | TSR_CDH,
            _ => TSR_PTX,
        });
    }
}

/// Takes the check sequence off a packet, and the rest too if that is wrong: nobody takes it then.
/// Whether it was right.
fn take_sequence(packet: &mut Vec<u8>) -> bool {
    let split = packet.split_last_chunk::<FCS_BYTES>();
    let intact = split.filter(|(packet, sequence)| crc::check_sequence(packet) == **sequence);
    let bytes = intact.map(|(packet, _)| packet.len());
    packet.truncate(bytes.unwrap_or(0));
    bytes.is_some()
}
