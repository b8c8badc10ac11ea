//! The tables of x86-64: four levels, 512 entries of 8 bytes each (Intel SDM 3A 4.5).

use alloc::vec;
use alloc::vec::Vec;

use super::{Look, Lookup, PAGES};

const LEVELS: u32 = 4;
const INDEX_BITS: u32 = 9;
const ENTRIES: usize = 1 << INDEX_BITS;

/// A tree of tables; the first is the root.
#[derive(Debug)]
pub struct Radix {
    /// Entries are a table's index or a frame, plus one; 0 for nothing.
    tables: Vec<[u32; ENTRIES]>,
}

impl Radix {
    /// A root and nothing below it.
    pub fn new() -> Self {
        Self {
            tables: vec![[0; ENTRIES]],
        }
    }
}

impl Default for Radix {
    fn default() -> Self {
        Self::new()
    }
}

/// Index into the table of `level`, the root's being 0.
fn index(page: u64, level: u32) -> usize {
    (page >> (INDEX_BITS * (LEVELS - 1 - level))) as usize % ENTRIES
}

impl Lookup for Radix {
    fn insert(&mut self, page: u64, frame: u32) -> bool {
        if page >= PAGES {
            return false;
        }
        let mut table = 0;
        for level in 0..LEVELS - 1 {
            let index = index(page, level);
            if self.tables[table][index] == 0 {
                self.tables.push([0; ENTRIES]);
                self.tables[table][index] = self.tables.len() as u32;
            }
            table = self.tables[table][index] as usize - 1;
        }
        self.tables[table][index(page, LEVELS - 1)] = frame + 1;
        true
    }

    fn find(&self, page: u64) -> Look {
        let mut found = 0;
        for level in 0..LEVELS {
            let entry = self.tables[found as usize][index(page, level)];
            let Some(next) = entry.checked_sub(1).filter(|_| page < PAGES) else {
                return Look {
                    frame: None,
                    accesses: level + 1,
                };
            };
            found = next;
        }
        Look {
            frame: Some(found),
            accesses: LEVELS,
        }
    }

    fn bytes(&self) -> usize {
        self.tables.len() * ENTRIES * size_of::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_are_far_from_each_other_have_tables_of_their_own() {
        let mut radix = Radix::new();
        radix.insert(0, 0);
        assert_eq!(radix.bytes(), 4 * 4096);
        radix.insert(511, 1);
        assert_eq!(radix.bytes(), 4 * 4096);
        radix.insert(512, 2);
        assert_eq!(radix.bytes(), 5 * 4096);
        radix.insert(PAGES - 1, 3);
        assert_eq!(radix.bytes(), 8 * 4096);
    }

    #[test]
    fn a_walk_ends_where_there_is_nothing() {
        let mut radix = Radix::new();
        radix.insert(5, 9);
        let accesses = [5, 6, 512, 1 << 18, 1 << 27].map(|page| radix.find(page).accesses);
        assert_eq!(accesses, [4, 4, 3, 2, 1]);
    }
}
