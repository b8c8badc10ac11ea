//! The two checksums that the card computes: the internet's (RFC 1071) and the frame's (IEEE 802.3
//! 3.2.9).

/// Sum of big-endian words in ones' complement, not inverted; an odd last byte is a high one.
pub(super) fn sum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks_exact(4);
    let rest = words.remainder();
    let mut total: u64 = words
        .map(|word| u64::from(u32::from_be_bytes([word[0], word[1], word[2], word[3]])))
        .sum();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    total += u64::from(u32::from_be_bytes(last));
    fold(total)
}

/// A sum of words with its carries added.
pub(super) fn fold(mut total: u64) -> u16 {
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

const POLYNOMIAL: u32 = 0xedb8_8320;

/// By the number of zero bytes that follow, the remainder of each byte: so that 8 go at once.
static REMAINDERS: [[u32; 256]; 8] = remainders();

const fn remainders() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut remainder = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            remainder = (remainder >> 1) ^ (POLYNOMIAL * (remainder & 1));
            bit += 1;
        }
        tables[0][byte] = remainder;
        byte += 1;
    }
    let mut zeroes = 1;
    while zeroes < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[zeroes - 1][byte];
            tables[zeroes][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        zeroes += 1;
    }
    tables
}

/// A frame's check sequence; on the wire its low byte comes first.
pub(super) fn frame_check_sequence(frame: &[u8]) -> u32 {
    let mut remainder = u32::MAX;
    let eights = frame.chunks_exact(8);
    let rest = eights.remainder();
    for eight in eights {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(eight);
        let bytes = (u64::from_le_bytes(bytes) ^ u64::from(remainder)).to_le_bytes();
        let tables = REMAINDERS.iter().rev();
        remainder = tables
            .zip(bytes)
            .fold(0, |all, (table, byte)| all ^ table[usize::from(byte)]);
    }
    for byte in rest {
        let low = usize::from(remainder as u8 ^ byte);
        remainder = (remainder >> 8) ^ REMAINDERS[0][low];
    }
    !remainder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_the_rfc_comes_out() {
        // RFC 1071, 3.
        assert_eq!(
            sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
            0xddf2
        );
        assert_eq!(sum(&[0xff, 0xff, 0x12]), 0x1200);
        assert_eq!(sum(&[]), 0);
    }

    #[test]
    fn the_check_value_of_the_crc_comes_out() {
        assert_eq!(frame_check_sequence(b"123456789"), 0xcbf4_3926);
        // The rest of 802.3: a frame with its sequence leaves a known remainder.
        let mut frame: Vec<u8> = (0..61).collect();
        let check = frame_check_sequence(&frame);
        frame.extend(check.to_le_bytes());
        assert_eq!(frame_check_sequence(&frame), 0x2144_df1c);
    }
}
