//! Laboratory: allocators of objects, as kernels have them.
//!
//! Arguments: `work=split`: a buddy allocator of `kib` serves requests of `bytes=N,N..` and gives
//! them back, each split and joining said. Otherwise `allocator=buddy`, `slab` or `linked-list` and
//! `magazines=1`, if each thread has a cache of its own; `threads` threads take and give back objects
//! `rounds` times, 8 at a time.
#![no_std]
#![no_main]

use user::alloc::boxed::Box;
use user::alloc::format;
use user::alloc::string::String;
use user::alloc::sync::Arc;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::lab::allocator::buddy::Buddy;
use user::lab::allocator::magazine::Magazine;
use user::lab::allocator::{ALLOCATORS, Allocator, OBJECT_WORDS, constructed};
use user::lab::confined::value_or;
use user::mapping::PAGE;
use user::sync::Mutex;
use user::thread;
use user::time::now_ns;

user::check!(run);

/// Pages of an allocator.
const PAGES: usize = 16;
/// Objects that a thread has at a time.
const AT_A_TIME: usize = 8;
const KIB: usize = 1024;

fn sizes(blocks: &[usize]) -> String {
    let words = blocks.iter().map(|bytes| format!("{}", bytes / KIB));
    words.collect::<Vec<_>>().join(" + ")
}

fn split(check: &mut Check) -> Verdict {
    let kib = check.value("kib")? as usize;
    ensure!(
        kib.is_power_of_two() && (4..=4096).contains(&kib),
        "kib={kib}: a power of 2, 4 to 4096"
    );
    let mut buddy = Buddy::new(kib * KIB / PAGE).context("a buddy allocator")?;
    let (mut splits, mut joined, mut granted, mut asked) = (0, 0, 0, 0);
    let mut blocks = Vec::new();
    for word in check.text("bytes")?.split(',') {
        let bytes = word.parse::<usize>().ok().filter(|bytes| *bytes > 0);
        let bytes = bytes.ok_or_else(|| Failure(format!("bytes: {word} is no size")))?;
        let mut halved = String::new();
        let taken = buddy.take(bytes, |size| {
            splits += 1;
            halved += &format!(
                "{} splits into {} + {}; ",
                size / KIB,
                size / 2 / KIB,
                size / 2 / KIB
            );
        });
        let (block, size) = taken.ok_or_else(|| Failure(format!("no block for {bytes} bytes")))?;
        ensure!(
            size >= bytes && block.is_multiple_of(size),
            "{bytes} bytes got {size} at {block}"
        );
        let free = sizes(&buddy.free_blocks());
        check.line(&format!(
            "{} KiB: {halved}served from {} KiB, free: {free} KiB",
            bytes / KIB,
            size / KIB
        ))?;
        blocks.push((block, bytes));
        granted += size as u64;
        asked += bytes as u64;
    }
    for (block, bytes) in blocks {
        buddy.give_back(block, bytes, |_| joined += 1);
    }
    let free = buddy.free_blocks();
    ensure!(free == [kib * KIB], "given back: {}", sizes(&free));
    check.metric("splits", splits);
    check.metric("joined", joined);
    check.metric("granted_bytes", granted);
    check.metric("internal_bytes", granted - asked);
    Ok(())
}

/// What a thread does; how often it took the lock.
fn work(depot: &Mutex<Box<dyn Allocator>>, rounds: u64, magazines: bool) -> Result<u64, Failure> {
    let mut source = match magazines {
        true => Magazine::new(depot),
        false => Magazine::none(depot),
    };
    for _ in 0..rounds {
        let mut objects = [0; AT_A_TIME];
        for object in &mut objects {
            *object = source.allocate().ok_or("no object is left")?;
        }
        for object in objects {
            source.free(object);
        }
    }
    Ok(source.locked)
}

/// All objects that there are hold what they should, and are apart.
fn look(allocator: &mut dyn Allocator) -> Verdict {
    let mut objects = Vec::new();
    for _ in 0..200 {
        objects.push(allocator.allocate().ok_or("no object is left")?);
    }
    for object in &objects {
        for word in 0..OBJECT_WORDS {
            let found = allocator.memory().word(object + word * 8);
            ensure!(
                found == constructed(word),
                "an object that is not constructed: {found:#x}"
            );
        }
    }
    let taken = allocator.taken_bytes();
    objects.sort_unstable();
    let apart = objects
        .windows(2)
        .all(|two| two[1] - two[0] >= OBJECT_WORDS * 8);
    ensure!(apart, "two objects have memory in common");
    ensure!(
        taken >= objects.len() * OBJECT_WORDS * 8,
        "{taken} bytes are too few"
    );
    objects
        .into_iter()
        .for_each(|object| allocator.free(object));
    Ok(())
}

fn measure(check: &mut Check) -> Verdict {
    let name = check.text("allocator")?;
    let known = ALLOCATORS.iter().find(|(known, _)| *known == name);
    let unknown = || Failure(format!("allocator={name}: buddy, slab or linked-list"));
    let (_, make) = known.ok_or_else(unknown)?;
    let (rounds, threads) = (check.value("rounds")?, value_or(check, "threads", 1)?);
    ensure!((1..=8).contains(&threads), "threads={threads}: 1 to 8");
    let magazines = value_or(check, "magazines", 0)? > 0;
    let mut allocator = make(PAGES).context("an allocator")?;
    look(&mut *allocator)?;
    let before = allocator.memory().constructed;
    let depot = Arc::new(Mutex::new(allocator));
    let start = now_ns();
    let mut at_work = Vec::new();
    for _ in 0..threads {
        let depot = Arc::clone(&depot);
        let thread = thread::spawn(move || work(&depot, rounds, magazines));
        at_work.push(thread.context("a thread")?);
    }
    let mut locked = 0;
    for thread in at_work {
        locked += thread.join().context("join")??;
    }
    let elapsed_ns = now_ns() - start;
    let mut allocator = depot.lock();
    let made = allocator.memory().constructed - before;
    look(&mut **allocator)?;
    let objects = rounds * threads * AT_A_TIME as u64;
    let figures = [
        ("objects", objects),
        ("constructed", made),
        ("locked", locked),
        ("elapsed_ns", elapsed_ns),
        ("object_ns", elapsed_ns / objects.max(1)),
    ];
    for (name, value) in figures {
        check.metric(name, value);
    }
    Ok(())
}

fn run(check: &mut Check) -> Verdict {
    match check.named("work") {
        Some("split") => split(check),
        None => measure(check),
        Some(other) => Err(Failure(format!("work={other}: split, or no such argument"))),
    }
}
