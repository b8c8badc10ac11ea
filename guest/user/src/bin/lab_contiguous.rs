//! Laboratory: contiguous allocation of a mapping's memory, on a stream of requests.
//!
//! Arguments: `fit=first`, `next`, `best` or `worst`; and either `holes=100,500` and
//! `requests=212,417`, which are served one after another, or a stream by lot: `pages` of memory,
//! `requests` of `least` to `most` bytes in grains of `grain`, between which blocks are given back so
//! that `used_percent` of the memory is in use; with `compact=1` it is compacted when a request
//! finds enough memory, but in pieces. Each block holds its number, which is looked at when it has
//! moved and when it is given back.
#![no_std]
#![no_main]

use memory::fit::{self, Arena, Block, Fit, Hole, Refused};
use user::abi::syscall::Protection;
use user::alloc::boxed::Box;
use user::alloc::format;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::lab::confined::value_or;
use user::lab::random::Random;
use user::mapping::{Mapping, PAGE, WORDS_PER_PAGE};

user::check!(run);

const WORD: usize = 8;

/// Memory whose blocks are in a mapping.
struct Memory {
    pages: Mapping,
    arena: Arena,
}

impl Memory {
    fn word(&self, at: usize) -> u64 {
        let word = at / WORD;
        self.pages
            .read(word / WORDS_PER_PAGE, word % WORDS_PER_PAGE)
    }

    fn set_word(&self, at: usize, value: u64) {
        let word = at / WORD;
        self.pages
            .write(word / WORDS_PER_PAGE, word % WORDS_PER_PAGE, value);
    }

    fn fill(&self, block: Block) {
        let words = (block.start..block.start + block.size).step_by(WORD);
        words.for_each(|at| self.set_word(at, block.id));
    }

    fn look(&self, block: Block) -> Verdict {
        let mut words = (block.start..block.start + block.size).step_by(WORD);
        ensure!(
            words.all(|at| self.word(at) == block.id),
            "block {} at {} has lost what it holds",
            block.id,
            block.start
        );
        Ok(())
    }

    /// Moves all blocks together; bytes moved.
    fn compact(&mut self) -> Result<u64, Failure> {
        let mut moved = 0;
        let mut moves = Vec::new();
        self.arena.compact(|block, to| moves.push((block, to)));
        for (block, to) in moves {
            // Downwards, so that what is not yet moved is not overwritten.
            for offset in (0..block.size).step_by(WORD) {
                self.set_word(to + offset, self.word(block.start + offset));
            }
            moved += block.size as u64;
        }
        for block in self.arena.blocks() {
            self.look(*block)?;
        }
        Ok(moved)
    }
}

fn numbers(name: &str, text: &str) -> Result<Vec<usize>, Failure> {
    let word = |word: &str| word.parse::<usize>().ok().filter(|number| *number > 0);
    let numbers: Option<Vec<usize>> = text.split(',').map(word).collect();
    numbers.ok_or_else(|| Failure(format!("{name}={text}: numbers from 1 up")))
}

/// Given requests and given holes, as in a book.
fn run_given(check: &mut Check, policy: Box<dyn Fit>, holes: &'static str) -> Verdict {
    let mut start = 0;
    let mut list = Vec::new();
    for size in numbers("holes", holes)? {
        list.push(Hole { start, size });
        // What lies between holes is somebody else's.
        start += size + 1;
    }
    let mut arena = Arena::new(policy, 1, list);
    let requests = numbers("requests", check.text("requests")?)?;
    let mut refused = 0;
    for (id, size) in requests.iter().enumerate() {
        let before = arena.holes().to_vec();
        match arena.allocate(id as u64, *size) {
            Ok(block) => {
                let hole = before.iter().find(|hole| hole.start == block.start);
                let from = hole.map_or(0, |hole| hole.size);
                check.line(&format!(
                    "{size} from the hole of {from}, {} left",
                    from - size
                ))?;
            }
            Err(why) => {
                refused += 1;
                ensure!(why != Refused::WrongHole, "{why:?}");
                let free = arena.free();
                check.line(&format!("{size} has to wait: {why:?}, {free} free"))?;
            }
        }
    }
    check.metric("requests", requests.len() as u64);
    check.metric("refused", refused);
    check.metric("looked", arena.looked);
    check.metric("external_permille", arena.external_permille());
    Ok(())
}

/// What happened in a stream.
#[derive(Default)]
struct Counts {
    refused: u64,
    in_pieces: u64,
    moved_bytes: u64,
    external: u64,
    internal: u64,
    samples: u64,
}

fn run_stream(check: &mut Check, policy: Box<dyn Fit>) -> Verdict {
    let value = |name| check.value(name).map(|number| number as usize);
    let (pages, requests) = (value("pages")?, value("requests")?);
    let (least, most, grain) = (value("least")?, value("most")?, value("grain")?);
    let used = value("used_percent")?;
    let can_compact = value_or(check, "compact", 0)? > 0;
    ensure!(
        (1..=256).contains(&pages) && 0 < least && least <= most && most <= pages * PAGE / 4,
        "pages={pages} least={least} most={most}: 1 to 256 pages, most at least least, and a \
         quarter of the pages at most"
    );
    ensure!(
        grain.is_multiple_of(WORD) && grain > 0 && (1..=95).contains(&used),
        "grain={grain} used_percent={used}: words of {WORD} bytes, and 1 to 95"
    );
    let bytes = pages * PAGE;
    let hole = Hole {
        start: 0,
        size: bytes,
    };
    let mut memory = Memory {
        pages: Mapping::new(pages, Protection::ReadWrite).context("mmap")?,
        arena: Arena::new(policy, grain, Vec::from([hole])),
    };
    let mut random = Random::new(value_or(check, "seed", 1)?);
    let mut counts = Counts::default();
    for id in 0..requests as u64 {
        while bytes - memory.arena.free() > bytes * used / 100 {
            let index = random.below(memory.arena.blocks().len());
            let block = memory.arena.blocks()[index];
            memory.look(block)?;
            memory.arena.free_block(block.id);
        }
        let asked = least + random.below(most - least + 1);
        let mut block = memory.arena.allocate(id, asked);
        if block == Err(Refused::InPieces) {
            counts.in_pieces += 1;
            if can_compact {
                counts.moved_bytes += memory.compact()?;
                block = memory.arena.allocate(id, asked);
            }
        }
        match block {
            Ok(block) => memory.fill(block),
            Err(why) => {
                ensure!(why != Refused::WrongHole, "{why:?}");
                counts.refused += 1;
            }
        }
        counts.external += memory.arena.external_permille();
        counts.internal += memory.arena.internal_permille();
        counts.samples += 1;
    }
    report(check, &counts, memory.arena.looked, requests as u64);
    Ok(())
}

fn report(check: &mut Check, counts: &Counts, looked: u64, requests: u64) {
    let samples = counts.samples.max(1);
    let figures = [
        ("requests", requests),
        ("refused", counts.refused),
        ("in_pieces", counts.in_pieces),
        ("looked", looked),
        ("moved_bytes", counts.moved_bytes),
        ("external_permille", counts.external / samples),
        ("internal_permille", counts.internal / samples),
    ];
    for (name, value) in figures {
        check.metric(name, value);
    }
}

fn run(check: &mut Check) -> Verdict {
    let name = check.text("fit")?;
    let policy = fit::from_name(name);
    let policy =
        policy.ok_or_else(|| Failure(format!("fit={name}: first, next, best or worst")))?;
    match check.named("holes") {
        Some(holes) => run_given(check, policy, holes),
        None => run_stream(check, policy),
    }
}
