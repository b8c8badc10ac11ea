//! The cyclic redundancy check of Ethernet (IEEE 802.3 3.2.9), taken of packets in both directions
//! and of multicast addresses.

/// x^32 + x^26 + x^23 + x^22 + x^16 + x^12 + x^11 + x^10 + x^8 + x^7 + x^5 + x^4 + x^2 + x + 1,
/// the lowest power in the highest bit.
const POLYNOMIAL: u32 = 0xedb8_8320;
/// The remainders of a byte.
const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < table.len() {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            remainder = match remainder & 1 {
                0 => remainder >> 1,
                _ => remainder >> 1 ^ POLYNOMIAL,
            };
            bit += 1;
        }
        table[byte] = remainder;
        byte += 1;
    }
    table
}

/// The remainder of some bytes, before it is inverted.
fn remainder(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |remainder, byte| {
        remainder >> 8 ^ TABLE[usize::from(remainder as u8 ^ byte)]
    })
}

/// The frame check sequence of a packet, as it follows on the wire.
pub(super) fn check_sequence(packet: &[u8]) -> [u8; 4] {
    (!remainder(packet)).to_le_bytes()
}

/// Which of the 64 bits of a multicast filter stands for an address: the first six bits of its
/// remainder.
pub(super) fn filter_bit(address: [u8; 6]) -> u8 {
    (remainder(&address).reverse_bits() >> 26) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_sequences_are_those_of_the_standard() {
        assert_eq!(check_sequence(b"123456789"), [0x26, 0x39, 0xf4, 0xcb]);
        let (mut packet, sequence) = (b"a packet".to_vec(), check_sequence(b"a packet"));
        packet.extend(sequence);
        assert_eq!(remainder(&packet), 0xdebb_20e3, "the residue");
    }

    #[test]
    fn addresses_have_the_filter_bits_that_drivers_compute() {
        for (address, bit) in [
            ([0x01, 0x00, 0x5e, 0x00, 0x00, 0x01], 0x1f),
            ([0x33, 0x33, 0x00, 0x00, 0x00, 0x01], 0x3e),
            ([0xff; 6], 0x3f),
        ] {
            assert_eq!(filter_bit(address), bit, "{address:x?}");
        }
    }
}
