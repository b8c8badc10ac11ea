//! [`Ring`]: the receive ring in the card's memory, and what is before each packet in it (DP8390D
//! data sheet, "Packet Reception").
//!
//! ```text
//!  FIRST           boundary  next                current        END
//!    | free | ... | free |    packet, packet, .. | free | free | ... |
//! ```

use crate::drivers::net::card::Broken;
use core::ops::RangeInclusive;

/// Bytes of a page, in which the card's memory is counted.
const PAGE_BYTES: usize = 256;
/// Pages of a frame to be sent; there are two of them before the ring.
const FRAME_PAGES: u8 = 6;
/// Where the card's memory of 16 KiB begins and ends.
const MEMORY: u8 = 0x40;
/// Page after the last of memory and ring.
pub(super) const END: u8 = 0x80;
/// First page of each buffer of a frame to be sent.
pub(super) const TRANSMIT: [u8; 2] = [MEMORY, MEMORY + FRAME_PAGES];
/// First page of the ring.
pub(super) const FIRST: u8 = MEMORY + 2 * FRAME_PAGES;

/// Bytes before a packet: status, page of the next one, count.
pub(super) const HEADER_BYTES: usize = 4;
/// Bytes of the check sequence, which is behind a packet and counts.
const CHECK_BYTES: usize = 4;
/// Lengths of packets without that, the longest with a VLAN tag.
const PACKET_BYTES: RangeInclusive<usize> = 14..=1518;
/// Bytes of the longest packet with its header.
pub(super) const MAX_BYTES: usize = HEADER_BYTES + *PACKET_BYTES.end();
/// Status: received intact.
const INTACT: u8 = 1 << 0;

/// What of the ring is the driver's.
pub(super) struct Ring {
    /// Page of the packet to be read next.
    next: u8,
    /// Page after the last packet, as far as is known.
    current: u8,
}

impl Ring {
    /// An empty ring; its first page is the boundary.
    pub(super) const fn new() -> Self {
        Self {
            next: FIRST + 1,
            current: FIRST + 1,
        }
    }

    /// Page of the packet to be read next, or to come.
    pub(super) fn next(&self) -> u8 {
        self.next
    }

    /// Whether no packet is known of.
    pub(super) fn is_empty(&self) -> bool {
        self.next == self.current
    }

    /// The page that the receiver must not reach: the one before the next packet's.
    pub(super) fn boundary(&self) -> u8 {
        match self.next {
            FIRST => END - 1,
            next => next - 1,
        }
    }

    /// Packets are there up to the page `current`.
    pub(super) fn extend(&mut self, current: u8) -> Result<(), Broken> {
        if !(FIRST..END).contains(&current) {
            return Err(Broken);
        }
        self.current = current;
        Ok(())
    }

    /// Takes the next packet, whose header this is, off the ring; its length.
    pub(super) fn take(&mut self, header: [u8; HEADER_BYTES]) -> Result<usize, Broken> {
        let [status, next, low, high] = header;
        let count = usize::from(u16::from_le_bytes([low, high]));
        let bytes = count.checked_sub(CHECK_BYTES).ok_or(Broken)?;
        if status & INTACT == 0 || !PACKET_BYTES.contains(&bytes) {
            return Err(Broken);
        }
        let pages = (HEADER_BYTES + count).div_ceil(PAGE_BYTES) as u8;
        // No packet is longer than the ring.
        let expected = match self.next + pages {
            page if page >= END => page - END + FIRST,
            page => page,
        };
        if next != expected || pages > self.used() {
            return Err(Broken);
        }
        self.next = next;
        Ok(bytes)
    }

    /// Pages of packets that are known of.
    fn used(&self) -> u8 {
        match self.current.checked_sub(self.next) {
            Some(pages) => pages,
            None => END - self.next + (self.current - FIRST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of an intact packet of so many bytes.
    fn header(next: u8, bytes: u16) -> [u8; HEADER_BYTES] {
        let [low, high] = (bytes + 4).to_le_bytes();
        [INTACT, next, low, high]
    }

    #[test]
    fn packets_are_taken_in_their_order() {
        let mut ring = Ring::new();
        assert!(ring.is_empty());
        assert_eq!(ring.boundary(), FIRST);
        ring.extend(FIRST + 8).expect("in the ring");
        assert_eq!(ring.take(header(FIRST + 7, 1514)), Ok(1514));
        assert_eq!((ring.next(), ring.boundary()), (FIRST + 7, FIRST + 6));
        assert_eq!(ring.take(header(FIRST + 8, 60)), Ok(60));
        assert!(ring.is_empty());
    }

    #[test]
    fn a_packet_may_go_on_at_the_first_page() {
        let mut ring = Ring {
            next: END - 2,
            current: FIRST + 4,
        };
        assert_eq!(ring.take(header(FIRST + 4, 1514)), Ok(1514));
        let mut ring = Ring {
            next: END - 1,
            current: FIRST,
        };
        assert_eq!(ring.take(header(FIRST, 248)), Ok(248));
        assert_eq!(ring.boundary(), END - 1);
    }

    #[test]
    fn a_page_outside_of_the_ring_is_nonsense() {
        for page in [0, FIRST - 1, END, 0xff] {
            assert_eq!(Ring::new().extend(page), Err(Broken), "page {page:#x}");
        }
    }

    #[test]
    fn a_header_that_lies_is_nonsense() {
        let mut damaged = header(FIRST + 2, 60);
        damaged[0] = 0;
        for (what, header) in [
            ("damaged", damaged),
            ("less than a check sequence", [INTACT, FIRST + 2, 3, 0]),
            ("too short", header(FIRST + 2, 13)),
            ("too long", header(FIRST + 7, 1519)),
            ("as long as can be", [INTACT, FIRST + 2, 0xff, 0xff]),
            ("of two pages, not one", header(FIRST + 2, 249)),
            ("to be followed by itself", header(FIRST + 1, 60)),
            ("followed by none in the ring", header(0, 60)),
            ("longer than what has come", header(FIRST + 7, 1514)),
        ] {
            let mut ring = Ring::new();
            ring.extend(FIRST + 3).expect("in the ring");
            assert_eq!(ring.take(header), Err(Broken), "{what}");
            assert_eq!(ring.next(), FIRST + 1, "{what}");
        }
    }
}
