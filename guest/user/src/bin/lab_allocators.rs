//! Laboratory: an allocator serves a stream of requests of many sizes.
//!
//! `allocator=buddy|slab|slab-cached|first-fit kib=N requests=N live=N seed=N`: of `live` places each
//! request, by lot, fills one that is empty or empties one that is full. The memory is `kib` large. As
//! many requests come before those that are measured.
#![no_std]
#![no_main]

use memory::allocator::Allocator;
use memory::allocator::buddies::Buddies;
use memory::allocator::first_fit::FirstFit;
use memory::allocator::slabs::SlabHeap;
use user::alloc::boxed::Box;
use user::alloc::vec;
use user::alloc::vec::Vec;
use user::alloc::{format, string::String};
use user::check::{Check, Failure, Verdict};
use user::ensure;
use user::lab::random::Random;
use user::time::now_ns;

user::check!(run);

type Make = fn(usize) -> Box<dyn Allocator>;

/// What there is, by name.
const ALLOCATORS: [(&str, Make); 4] = [
    ("buddy", |bytes| Box::new(Buddies::new(bytes, 32))),
    ("slab", |bytes| Box::new(SlabHeap::new(bytes, 0))),
    ("slab-cached", |bytes| Box::new(SlabHeap::new(bytes, 32))),
    ("first-fit", |bytes| Box::new(FirstFit::new(bytes))),
];

/// Sizes that kernels ask for: small structures mostly, of a few kinds.
const SIZES: [usize; 12] = [24, 40, 56, 56, 72, 104, 104, 136, 200, 264, 568, 1032];

/// Most of memory, of places and of requests.
const MOST_KIB: u64 = 1024;
const MOST_LIVE: u64 = 8192;
const MOST_REQUESTS: u64 = 1 << 20;

/// Requests that are timed at once; the fastest part counts, as others use the host, too.
const PART: usize = 1000;

/// A place's piece of memory: where, and how large.
type Piece = Option<(usize, usize)>;

/// A request: a place, and the size to fill it with, if it is empty.
type Request = (u16, u16);

fn stream(requests: usize, live: usize, seed: u64) -> Vec<Request> {
    let mut random = Random::new(seed);
    let request = |_| {
        let place = random.below(live) as u16;
        (place, SIZES[random.below(SIZES.len())] as u16)
    };
    (0..requests).map(request).collect()
}

/// Serves all; how many were refused.
fn serve(allocator: &mut dyn Allocator, stream: &[Request], pieces: &mut [Piece]) -> u64 {
    let mut refused = 0;
    for (place, bytes) in stream {
        let (piece, bytes) = (&mut pieces[usize::from(*place)], usize::from(*bytes));
        match piece.take() {
            Some((at, bytes)) => allocator.release(at, bytes),
            None => {
                *piece = allocator.allocate(bytes).map(|at| (at, bytes));
                refused += u64::from(piece.is_none());
            }
        }
    }
    refused
}

fn bounded(check: &Check, name: &str, most: u64) -> Result<usize, Failure> {
    let value = check.value(name)?;
    ensure!(
        (1..=most).contains(&value),
        "{name}={value} is not from 1 to {most}"
    );
    Ok(value as usize)
}

fn make(check: &Check, bytes: usize) -> Result<Box<dyn Allocator>, Failure> {
    let name = check.text("allocator")?;
    let found = ALLOCATORS.iter().find(|(known, _)| *known == name);
    let names: Vec<&str> = ALLOCATORS.iter().map(|(known, _)| *known).collect();
    let unknown = || Failure(format!("allocator={name} is none of {}", names.join(", ")));
    found.map(|(_, make)| make(bytes)).ok_or_else(unknown)
}

fn run(check: &mut Check) -> Verdict {
    let bytes = bounded(check, "kib", MOST_KIB)? * 1024;
    let live = bounded(check, "live", MOST_LIVE)?;
    let requests = bounded(check, "requests", MOST_REQUESTS)?.next_multiple_of(PART);
    let mut allocator = make(check, bytes)?;
    let stream = stream(2 * requests, live, check.value("seed")?);
    let (before, measured) = stream.split_at(requests);
    let mut pieces: Vec<Piece> = vec![None; live];
    // What is brought up at first use, pages among it, is no part of what is measured.
    let warm_up = serve(&mut *allocator, before, &mut pieces);
    let (mut refused, mut fastest) = (warm_up, u64::MAX);
    for part in measured.chunks_exact(PART) {
        let start = now_ns();
        refused += serve(&mut *allocator, part, &mut pieces);
        fastest = fastest.min(now_ns() - start);
    }
    check.metric("part_ns", fastest);
    check.metric("part", PART as u64);
    check.metric("refused", refused);
    report(check, &mut *allocator, bytes, &pieces)
}

/// Where the memory is at the end of the stream.
fn report(
    check: &mut Check,
    allocator: &mut dyn Allocator,
    bytes: usize,
    pieces: &[Piece],
) -> Verdict {
    let sizes = || pieces.iter().flatten().map(|piece| piece.1);
    let asked: usize = sizes().sum();
    let granted: usize = sizes().map(|bytes| allocator.granted(bytes)).sum();
    let (hits, misses) = allocator.cached();
    let own = allocator.own_bytes();
    let largest = allocator.largest(bytes);
    let figures = [
        ("live", sizes().count()),
        ("asked_bytes", asked),
        ("internal_bytes", granted - asked),
        ("external_bytes", bytes.saturating_sub(granted + largest)),
        ("largest_bytes", largest),
        ("own_bytes", own),
    ];
    figures
        .into_iter()
        .for_each(|(name, value)| check.metric(name, value as u64));
    check.metric("hits", hits);
    check.metric("misses", misses);
    judge(pieces, bytes, |bytes| allocator.granted(bytes))
}

/// Pieces that are in use do not overlap and are inside the memory.
fn judge(pieces: &[Piece], bytes: usize, granted: impl Fn(usize) -> usize) -> Verdict {
    let mut used: Vec<(usize, usize)> = pieces.iter().flatten().copied().collect();
    used.sort_unstable();
    let ends = used.iter().map(|(at, bytes)| at + granted(*bytes));
    let starts = used.iter().skip(1).map(|piece| piece.0).chain([bytes]);
    let wrong = ends.zip(starts).find(|(end, next)| end > next);
    let text =
        |(end, next)| -> String { format!("a piece ends at {end} and the next begins at {next}") };
    wrong.map_or(Ok(()), |wrong| Err(Failure(text(wrong))))
}
