//! Statistics registers (SDM 13.7): counters that stay at their end, and that a read clears.

/// The first, and the one after the last.
pub(super) const FIRST: u32 = 0x4000;
pub(super) const END: u32 = 0x4100;

/// Counters of one direction, by their offsets.
pub(super) struct Counters {
    /// First of six, by the frame's length.
    sizes: u32,
    good: u32,
    broadcast: u32,
    multicast: u32,
    good_octets: u32,
    total_octets: u32,
    total: u32,
}

/// Of received frames.
pub(super) const RECEIVED: Counters = Counters {
    sizes: 0x405c,
    good: 0x4074,
    broadcast: 0x4078,
    multicast: 0x407c,
    good_octets: 0x4088,
    total_octets: 0x40c0,
    total: 0x40d0,
};
/// Of sent ones.
pub(super) const SENT: Counters = Counters {
    sizes: 0x40d8,
    good: 0x4080,
    broadcast: 0x40f4,
    multicast: 0x40f0,
    good_octets: 0x4090,
    total_octets: 0x40c8,
    total: 0x40d4,
};
/// Times that a frame found no room.
pub(super) const NO_BUFFERS: u32 = 0x40a0;
/// Received frames that were too long.
pub(super) const OVERSIZE: u32 = 0x40ac;
/// Packets that were segmented.
pub(super) const SEGMENTED: u32 = 0x40f8;

/// Longest frames, with their check sequence, of the first five sizes.
const SIZES: [usize; 5] = [64, 127, 255, 511, 1023];

/// Counters of 64 bits, of which a read of the second half clears both.
const WIDE: [u32; 4] = [0x4088, 0x4090, 0x40c0, 0x40c8];

/// The registers' contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Statistics(pub(super) [u32; ((END - FIRST) / 4) as usize]);

impl Statistics {
    pub(super) fn new() -> Self {
        Self([0; ((END - FIRST) / 4) as usize])
    }

    fn at(&mut self, register: u32) -> &mut u32 {
        &mut self.0[((register - FIRST) / 4) as usize]
    }

    /// A read, which clears.
    pub(super) fn read(&mut self, register: u32) -> u32 {
        if WIDE.contains(&register) {
            return *self.at(register);
        }
        if WIDE.contains(&(register - 4)) {
            *self.at(register - 4) = 0;
        }
        std::mem::take(self.at(register))
    }

    /// One more.
    pub(super) fn count(&mut self, register: u32) {
        let counter = self.at(register);
        *counter = counter.saturating_add(1);
    }

    fn add_octets(&mut self, register: u32, octets: u64) {
        let low: u64 = (*self.at(register)).into();
        let high: u64 = (*self.at(register + 4)).into();
        let total = (high << 32 | low).saturating_add(octets);
        *self.at(register) = total as u32;
        *self.at(register + 4) = (total >> 32) as u32;
    }

    /// A frame, given without its check sequence, which is counted.
    pub(super) fn note(&mut self, counters: &Counters, frame: &[u8]) {
        let bytes = frame.len() + super::spec::FCS_BYTES;
        let size = SIZES.iter().take_while(|size| bytes > **size).count();
        self.count(counters.sizes + 4 * size as u32);
        self.count(counters.good);
        self.count(counters.total);
        self.add_octets(counters.good_octets, bytes as u64);
        self.add_octets(counters.total_octets, bytes as u64);
        match frame.first() {
            _ if frame.starts_with(&[0xff; 6]) => self.count(counters.broadcast),
            Some(byte) if byte & 1 != 0 => self.count(counters.multicast),
            _ => {}
        }
    }
}
