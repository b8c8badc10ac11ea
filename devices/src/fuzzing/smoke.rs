//! Runs of a fuzz target without a fuzzer: its seeds, then changes of them and noise. Short and
//! always the same ones as a test; for so long, and others each time, by `examples/fuzz.rs`.

use super::Target;
use std::fs;
use std::path::Path;

const MOST_BYTES: usize = 256;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        (number >> 32) as usize % end.max(1)
    }

    fn byte(&mut self) -> u8 {
        // Edges more often than the rest.
        [0, 1, 0xff, 0x80, self.below(256) as u8][self.below(5)]
    }

    /// A seed with a few bytes changed, perhaps cut short, perhaps with noise after it.
    fn change(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut input = seed.to_vec();
        for _ in 0..self.below(6) {
            // Headers, where it matters, come first.
            let span = [64, 256, input.len()][self.below(3)].min(input.len());
            if let Some(byte) = input.get_mut(self.below(span)) {
                *byte = self.byte();
            }
        }
        match self.below(4) {
            0 => input.truncate(self.below(seed.len())),
            1 => input.extend(self.noise()),
            _ => {}
        }
        input
    }

    fn noise(&mut self) -> Vec<u8> {
        (0..self.below(MOST_BYTES)).map(|_| self.byte()).collect()
    }
}

/// Files of a folder, in the order of their names.
fn seeds(folder: &Path) -> Vec<Vec<u8>> {
    let files = folder
        .read_dir()
        .unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<_> = files.map(|file| file.expect("listed").path()).collect();
    paths.sort();
    let read = |path| fs::read(path).expect("a seed can be read");
    paths.iter().map(read).collect()
}

/// Inputs without end: the seeds in `CRATE/fuzz/seeds/NAME`, then what is made of them, which
/// depends on `start`, not 0.
pub fn inputs(crate_folder: &str, name: &str, start: u64) -> impl Iterator<Item = Vec<u8>> {
    let seeds = seeds(&Path::new(crate_folder).join("fuzz/seeds").join(name));
    assert!(!seeds.is_empty(), "seeds of {name}");
    let mut random = Random(start);
    let made = seeds.clone();
    let made = (0..).map(move |at: usize| match at % 4 {
        0 => random.noise(),
        _ => random.change(&made[at % made.len()]),
    });
    seeds.into_iter().chain(made)
}

/// Runs the target of that name on so many inputs.
pub fn run(crate_folder: &str, targets: &[(&str, Target)], name: &str, runs: usize) {
    let found = targets.iter().find(|(target, _)| *target == name);
    let (_, target) = found.expect("a target of that name");
    let inputs = inputs(crate_folder, name, 0x1234_5678_9abc_def1);
    inputs.take(runs).for_each(|input| target(&input));
}
