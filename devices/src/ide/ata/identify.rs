//! IDENTIFY DEVICE data (ATA/ATAPI-6 8.15.8).

use super::registers::Geometry;
use super::spec::MULTIPLE_MAX;

/// What a drive is and how it is set.
pub struct Facts {
    /// Size.
    pub sectors: u64,
    /// As the drive counts by itself, and as it was told to.
    pub geometry: [Geometry; 2],
    /// Sectors of a block, or 0.
    pub multiple: u8,
    /// Multiword DMA mode chosen, if any is.
    pub dma_mode: Option<u8>,
    /// Whether writes may wait in the drive.
    pub write_cache: bool,
    /// Bytes that tell it from others.
    pub id: [u8; 20],
}

const WORDS: usize = 256;
/// Bytes of the data.
pub const BYTES: usize = 2 * WORDS;

/// Not removable.
const GENERAL_FIXED: u16 = 1 << 6;
/// IORDY, LBA and DMA are there.
const CAPABILITIES: u16 = 1 << 11 | 1 << 9 | 1 << 8;
/// Words of which a bit says that they are valid have this there.
const VALID: u16 = 1 << 14;
/// Words 54 to 58 and 64 to 70 are valid.
const FIELDS_VALID: u16 = 0b011;
/// Multiword DMA 0 to 2; PIO 3 and 4, of 120 ns.
const DMA_MODES: u16 = 0b111;
const PIO_MODES: u16 = 0b11;
const CYCLE_NS: u16 = 120;
/// ATA/ATAPI-4 to -6.
const VERSIONS: u16 = 0b111 << 4;
/// NOP, write cache, power management.
const COMMANDS_82: u16 = 1 << 14 | 1 << 5 | 1 << 3;
const WRITE_CACHE_82: u16 = 1 << 5;
/// FLUSH CACHE EXT, FLUSH CACHE, 48 bits of address.
const COMMANDS_83: u16 = 1 << 13 | 1 << 12 | 1 << 10;
const LBA28_SECTORS_MAX: u64 = 0x0fff_ffff;
/// Cylinders by which a disk of any size is known to those who count them.
const CYLINDERS_MAX: u64 = 16383;
/// Low byte of the last word: its high byte is a sum over all (8.15.61).
const SUM_SIGNATURE: u8 = 0xa5;

/// The data.
pub fn data(facts: &Facts) -> [u8; BYTES] {
    let mut words = [0; WORDS];
    put_geometry(&mut words, facts);
    put_text(&mut words[10..20], &facts.id);
    put_text(&mut words[23..27], env!("CARGO_PKG_VERSION").as_bytes());
    put_text(&mut words[27..47], b"HOSTEL DISK");
    let set_82 = if facts.write_cache { 0 } else { WRITE_CACHE_82 };
    let dma = facts.dma_mode.map_or(0, |mode| 1 << (8 + mode));
    let multiple = match facts.multiple {
        0 => 0,
        sectors => 1 << 8 | u16::from(sectors),
    };
    let fields = [
        (0, GENERAL_FIXED),
        (47, 0x80 << 8 | u16::from(MULTIPLE_MAX)),
        (49, CAPABILITIES),
        (50, VALID),
        (51, 2 << 8),
        (53, FIELDS_VALID),
        (59, multiple),
        (63, DMA_MODES | dma),
        (64, PIO_MODES),
        (65, CYCLE_NS),
        (66, CYCLE_NS),
        (67, CYCLE_NS),
        (68, CYCLE_NS),
        (80, VERSIONS),
        (82, COMMANDS_82),
        (83, VALID | COMMANDS_83),
        (84, VALID),
        (85, COMMANDS_82 & !set_82),
        (86, COMMANDS_83),
        (87, VALID),
    ];
    for (at, word) in fields {
        words[at] = word;
    }
    put_number(&mut words[60..62], facts.sectors.min(LBA28_SECTORS_MAX));
    put_number(&mut words[100..104], facts.sectors);
    let mut bytes = [0; BYTES];
    for (pair, word) in bytes.chunks_exact_mut(2).zip(words) {
        pair.copy_from_slice(&word.to_le_bytes());
    }
    bytes[BYTES - 2] = SUM_SIGNATURE;
    let sum = bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[BYTES - 1] = sum.wrapping_neg();
    bytes
}

/// Cylinders, heads, sectors: of the drive's own counting, and of that in force.
fn put_geometry(words: &mut [u16; WORDS], facts: &Facts) {
    let [own, told] = facts.geometry;
    let cylinders = |geometry: Geometry, most| (facts.sectors / geometry.cylinder()).min(most);
    let told_cylinders = cylinders(told, u16::MAX.into());
    let capacity = told_cylinders * told.cylinder();
    // At most 65535.
    words[1] = cylinders(own, CYLINDERS_MAX) as u16;
    words[3] = own.heads.into();
    words[6] = own.sectors.into();
    words[54] = told_cylinders as u16;
    words[55] = told.heads.into();
    words[56] = told.sectors.into();
    put_number(&mut words[57..59], capacity.min(LBA28_SECTORS_MAX));
}

/// A number, its lowest word first.
fn put_number(words: &mut [u16], number: u64) {
    for (at, word) in words.iter_mut().enumerate() {
        // The words that there are take it.
        *word = (number >> (16 * at)) as u16;
    }
}

/// Text, its first letter in the high byte, filled up with blanks.
fn put_text(words: &mut [u16], text: &[u8]) {
    let letters = text.iter().map(|byte| match byte {
        b' '..=b'~' => *byte,
        _ => b' ',
    });
    let mut letters = letters.chain(std::iter::repeat(b' '));
    for word in words {
        let mut letter = || letters.next().unwrap_or(b' ');
        *word = u16::from_be_bytes([letter(), letter()]);
    }
}
