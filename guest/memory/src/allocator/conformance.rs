//! What every allocator has to do, whatever its ways.

use std::collections::BTreeMap;

use super::Allocator;
use super::buddies::Buddies;
use super::first_fit::FirstFit;
use super::slabs::SlabHeap;

const BYTES: usize = 1 << 20;
const MOST: usize = 10_000;

/// All of them.
fn each() -> Vec<(&'static str, Box<dyn Allocator>)> {
    vec![
        ("buddies of 16", Box::new(Buddies::new(BYTES, 16))),
        ("buddies of 1 KiB", Box::new(Buddies::new(BYTES, 1024))),
        ("slabs", Box::new(SlabHeap::new(BYTES, 0))),
        ("slabs with caches", Box::new(SlabHeap::new(BYTES, 16))),
        ("first fit", Box::new(FirstFit::new(BYTES))),
    ]
}

/// Numbers without a pattern (Knuth's MMIX generator).
struct Lots(u64);

impl Lots {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// Pieces in use: their place, the bytes asked for and those given.
type Pieces = BTreeMap<usize, (usize, usize)>;

fn add(name: &str, pieces: &mut Pieces, place: usize, bytes: usize, granted: usize) {
    assert!(granted >= bytes, "{name}: {granted} for {bytes}");
    assert!(place + granted <= BYTES, "{name}: {place} is outside");
    if let Some((before, (_, len))) = pieces.range(..place).next_back() {
        assert!(
            before + len <= place,
            "{name}: {before} and {place} overlap"
        );
    }
    if let Some((after, _)) = pieces.range(place..).next() {
        assert!(
            place + granted <= *after,
            "{name}: {place} and {after} overlap"
        );
    }
    pieces.insert(place, (bytes, granted));
}

fn size(lots: &mut Lots) -> usize {
    match lots.below(10) {
        0 => 1 + lots.below(MOST),
        1..=3 => 1 + lots.below(1500),
        _ => 1 + lots.below(200),
    }
}

#[test]
fn pieces_are_as_large_as_asked_for_and_nobody_elses() {
    for (name, mut allocator) in each() {
        let (mut lots, mut pieces) = (Lots(7), Pieces::new());
        for _ in 0..20_000 {
            if lots.below(100) < 52 {
                let bytes = size(&mut lots);
                if let Some(place) = allocator.allocate(bytes) {
                    let granted = allocator.granted(bytes);
                    add(name, &mut pieces, place, bytes, granted);
                }
            } else if let Some(at) = lots.below(BYTES).into()
                && let Some((&place, &(bytes, _))) = pieces.range(at..).next()
            {
                pieces.remove(&place);
                allocator.release(place, bytes);
            }
        }
        assert!(pieces.len() > 100, "{name}: {} pieces", pieces.len());
    }
}

#[test]
fn all_is_there_again_when_all_was_given_back() {
    for (name, mut allocator) in each() {
        let most = allocator.largest(BYTES);
        assert!(most >= 16 << 10, "{name}: {most}");
        let mut lots = Lots(3);
        let mut pieces = Vec::new();
        loop {
            let bytes = size(&mut lots);
            match allocator.allocate(bytes) {
                Some(place) => pieces.push((place, bytes)),
                None => break,
            }
        }
        let asked: usize = pieces.iter().map(|piece| piece.1).sum();
        assert!(asked > BYTES / 4, "{name}: full with {asked}");
        while !pieces.is_empty() {
            let (place, bytes) = pieces.swap_remove(lots.below(pieces.len()));
            allocator.release(place, bytes);
        }
        assert_eq!(allocator.largest(BYTES), most, "{name}");
    }
}

#[test]
fn what_was_given_back_serves_the_next() {
    for (name, mut allocator) in each() {
        for round in 0..50_000 {
            let place = allocator.allocate(4096);
            let place = place.unwrap_or_else(|| panic!("{name}: round {round}"));
            allocator.release(place, 4096);
        }
    }
}

#[test]
fn what_is_larger_than_the_memory_is_refused() {
    for (name, mut allocator) in each() {
        for bytes in [BYTES + 1, usize::MAX / 4] {
            assert_eq!(allocator.allocate(bytes), None, "{name}: {bytes}");
        }
    }
}
