//! [`Filter`]: which frames are received (SDM 3.2.1, 13.4.22, 13.5).

use super::spec::{
    FCS_BYTES, RAH_AV, RCTL_BAM, RCTL_LPE, RCTL_MO_SHIFT, RCTL_MPE, RCTL_UPE, RCTL_VFE, TAG_AT,
    TAG_BYTES, USUAL_FRAME_BYTES,
};

/// The registers that say so.
pub(super) struct Filter<'a> {
    /// RCTL.
    pub(super) control: u32,
    /// EtherType of VLAN tags.
    pub(super) tag_type: u16,
    /// Pairs of low and high halves.
    pub(super) addresses: &'a [u32],
    /// A bit a hash.
    pub(super) multicast: &'a [u32],
    /// A bit a VLAN.
    pub(super) vlans: &'a [u32],
}

/// What becomes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Receive,
    /// It is for others.
    Ignore,
    /// It is longer than frames are to be.
    Oversize,
}

/// Right shifts of the last 16 bits of an address, by RCTL's MO, that give the bits to look at.
const HASH_SHIFTS: [u32; 4] = [4, 3, 2, 0];

impl Filter<'_> {
    /// A frame without its check sequence; not shorter than an Ethernet header.
    pub(super) fn judge(&self, frame: &[u8]) -> Verdict {
        let tag = tag(frame, self.tag_type);
        let more = if tag.is_some() { TAG_BYTES } else { 0 };
        if !self.takes_address(frame) || !self.takes_vlan(tag) {
            Verdict::Ignore
        } else if self.control & RCTL_LPE == 0 && frame.len() + FCS_BYTES > USUAL_FRAME_BYTES + more
        {
            Verdict::Oversize
        } else {
            Verdict::Receive
        }
    }

    fn takes_address(&self, frame: &[u8]) -> bool {
        let mut address = [0; 8];
        address[..6].copy_from_slice(&frame[..6]);
        let (low, high) = (&address[..4], &address[4..]);
        let half = |bytes: &[u8]| u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        let (low, high) = (half(low), half(high));
        // A bit above the address selects source addresses, which are not looked at.
        let exact = self
            .addresses
            .chunks_exact(2)
            .any(|pair| pair[1] & RAH_AV != 0 && pair[0] == low && pair[1] & 0x3_ffff == high);
        let is_set = |bit| self.control & bit != 0;
        let broadcast = address[..6] == [0xff; 6];
        exact
            || broadcast && is_set(RCTL_BAM)
            || match address[0] & 1 {
                0 => is_set(RCTL_UPE),
                _ => is_set(RCTL_MPE) || self.takes_group(high),
            }
    }

    /// By the last 16 bits of the address, of which the first byte is the low one.
    fn takes_group(&self, high: u32) -> bool {
        let shift = HASH_SHIFTS[(self.control >> RCTL_MO_SHIFT & 3) as usize];
        let hash = high >> shift & 0xfff;
        self.multicast[(hash >> 5) as usize] & 1 << (hash & 0x1f) != 0
    }

    fn takes_vlan(&self, tag: Option<u16>) -> bool {
        let Some(tag) = tag.filter(|_| self.control & RCTL_VFE != 0) else {
            return true;
        };
        let vlan = tag & 0xfff;
        self.vlans[usize::from(vlan >> 5)] & 1 << (vlan & 0x1f) != 0
    }
}

/// The VLAN tag of a frame, if it has one of that type.
pub(super) fn tag(frame: &[u8], tag_type: u16) -> Option<u16> {
    let [a, b, c, d] = *frame.get(TAG_AT..)?.first_chunk()?;
    (u16::from_be_bytes([a, b]) == tag_type).then_some(u16::from_be_bytes([c, d]))
}
