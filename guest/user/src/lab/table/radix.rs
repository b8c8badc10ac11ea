//! The processor's own kind: four levels of tables of 512 entries (SDM 3A 4.5).

use abi::syscall::Errno;

use super::{Memory, Table, Words};

const ENTRIES: usize = 512;
const LEVELS: u32 = 4;
const BITS: u32 = 9;
/// Tables that there is room for.
const MOST_TABLES: usize = 512;

/// Tables one behind another; an entry is the number of the next table, or the frame and one more.
pub(super) struct Radix {
    memory: Memory,
    tables: usize,
}

impl Radix {
    pub(super) fn new() -> Result<Self, Errno> {
        Ok(Self {
            memory: Memory::new(MOST_TABLES * ENTRIES)?,
            tables: 1,
        })
    }

    fn entry(table: usize, page: u64, level: u32) -> usize {
        table * ENTRIES + (page >> (level * BITS)) as usize % ENTRIES
    }
}

impl Table for Radix {
    fn insert(&mut self, page: u64, frame: u64) -> bool {
        let mut table = 0;
        for level in (1..LEVELS).rev() {
            let entry = Self::entry(table, page, level);
            table = self.memory.word(entry) as usize;
            if table == 0 {
                if self.tables == MOST_TABLES {
                    return false;
                }
                table = self.tables;
                self.tables += 1;
                self.memory.set(entry, table as u64);
            }
        }
        self.memory.set(Self::entry(table, page, 0), frame + 1);
        true
    }

    fn find(&self, words: &mut Words, page: u64) -> Option<u64> {
        let mut table = 0;
        for level in (1..LEVELS).rev() {
            table = self.memory.count(words, Self::entry(table, page, level)) as usize;
            if table == 0 {
                return None;
            }
        }
        let entry = Self::entry(table, page, 0);
        self.memory.count(words, entry).checked_sub(1)
    }

    fn size_words(&self) -> usize {
        self.tables * ENTRIES
    }
}
