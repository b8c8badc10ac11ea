//! A short deterministic run of each target: its seeds, then changes of them, then noise.

use super::*;
use std::path::Path;

const RUNS: usize = 2000;
const MOST_BYTES: u64 = 256;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, end: u64) -> usize {
        (self.next() % end) as usize
    }

    fn noise(&mut self) -> Vec<u8> {
        let len = self.below(MOST_BYTES);
        (0..len).map(|_| self.next() as u8).collect()
    }

    /// A seed with a few bytes changed, and noise after it.
    fn change(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut input = seed.to_vec();
        for _ in 0..self.below(8) {
            if !input.is_empty() {
                let at = self.below(input.len() as u64);
                input[at] = self.next() as u8;
            }
        }
        if self.next().is_multiple_of(2) {
            input.extend(self.noise());
        }
        input
    }
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(target);
    let files = folder
        .read_dir()
        .unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

fn run(name: &str) {
    let (_, target) = TARGETS
        .into_iter()
        .find(|(target, _)| *target == name)
        .unwrap();
    let seeds = seeds(name);
    assert!(!seeds.is_empty(), "seeds of {name}");
    seeds.iter().for_each(|seed| target(seed));
    let mut random = Random(0x1234_5678_9abc_def1);
    for at in 0..RUNS {
        let input = match at % 3 {
            0 => random.noise(),
            _ => random.change(&seeds[at % seeds.len()]),
        };
        target(&input);
    }
}

#[test]
fn pio_takes_anything() {
    run("pio");
}

#[test]
fn virtio_blk_takes_anything() {
    run("virtio_blk");
}

#[test]
fn virtio_console_takes_anything() {
    run("virtio_console");
}

#[test]
fn virtio_rng_takes_anything() {
    run("virtio_rng");
}
