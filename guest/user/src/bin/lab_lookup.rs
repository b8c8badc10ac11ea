//! Laboratory: structures that find the frame of a page, on a trace of uses.
//!
//! `table=radix|hashed|inverted|searched space=dense|sparse pages=N frames=N looks=N seed=N`: the trace
//! uses pages by Zipf's law. The structures are models walked by this program (each use of memory that
//! the real one would make is counted); `real=1` has the kernel make such a space, too, and
//! counts the frames that its page tables, the processor's, take.
#![no_std]
#![no_main]

use memory::lookup::{self, Lookup};
use user::abi::syscall::Protection;
use user::alloc::boxed::Box;
use user::alloc::format;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::lab::confined::value_or;
use user::lab::random::{Random, Zipf};
use user::mapping::{Mapping, PAGE};
use user::time::now_ns;
use user::{ensure, sys};

user::check!(run);

/// Most pages, frames and looks.
const MOST: u64 = 1 << 20;
/// Pages that a table of the last level covers.
const TABLE_PAGES: usize = 512;

/// How far pages are from each other.
fn stride(check: &Check) -> Result<usize, Failure> {
    match check.text("space")? {
        "dense" => Ok(1),
        "sparse" => Ok(TABLE_PAGES),
        other => Err(Failure(format!(
            "space={other} is neither dense nor sparse"
        ))),
    }
}

fn bounded(check: &Check, name: &str) -> Result<usize, Failure> {
    let value = check.value(name)?;
    ensure!(
        (1..=MOST).contains(&value),
        "{name}={value} is not from 1 to {MOST}"
    );
    Ok(value as usize)
}

fn table(check: &Check, frames: usize) -> Result<Box<dyn Lookup>, Failure> {
    let name = check.text("table")?;
    let names: Vec<&str> = lookup::ALL.iter().map(|(known, _)| *known).collect();
    let unknown = || Failure(format!("table={name} is none of {}", names.join(", ")));
    lookup::named(name, frames).ok_or_else(unknown)
}

/// `count` frames, each once, by lot, as they come in a machine that has run for a while.
fn shuffled(count: usize, random: &mut Random) -> Vec<u32> {
    let mut frames: Vec<u32> = (0..count as u32).collect();
    for last in (1..count).rev() {
        frames.swap(last, random.below(last + 1));
    }
    frames
}

/// Looks for the pages of `trace`, of which number n is to be found at `frames[n]`.
fn look(
    check: &mut Check,
    table: &dyn Lookup,
    stride: usize,
    trace: &[usize],
    frames: &[u32],
) -> Verdict {
    let (mut accesses, mut most) = (0, 0);
    let start = now_ns();
    for number in trace {
        let look = table.find((number * stride) as u64);
        let (found, expected) = (look.frame, frames[*number]);
        ensure!(
            found == Some(expected),
            "page {number} was found at {found:?}, not {expected}"
        );
        accesses += u64::from(look.accesses);
        most = most.max(look.accesses);
    }
    check.metric("elapsed_ns", now_ns() - start);
    check.metric("looks", trace.len() as u64);
    check.metric("accesses", accesses);
    check.metric("most_accesses", most.into());
    check.metric("table_bytes", table.bytes() as u64);
    Ok(())
}

fn run(check: &mut Check) -> Verdict {
    let (pages, frames) = (bounded(check, "pages")?, bounded(check, "frames")?);
    ensure!(pages <= frames, "pages={pages}: there are frames={frames}");
    let stride = stride(check)?;
    let mut table = table(check, frames)?;
    let mut random = Random::new(check.value("seed")?);
    let frames = shuffled(frames, &mut random);
    for (number, frame) in frames.iter().enumerate().take(pages) {
        let page = (number * stride) as u64;
        ensure!(table.insert(page, *frame), "page {number} was refused");
    }
    let zipf = Zipf::new(pages);
    let looks = bounded(check, "looks")?;
    let trace: Vec<usize> = (0..looks).map(|_| zipf.draw(&mut random)).collect();
    look(check, &*table, stride, &trace, &frames)?;
    match value_or(check, "real", 0)? {
        0 => check.line("a model, walked by the program"),
        _ => real(check, pages, stride),
    }
}

/// The same space made of real pages: what its page tables take.
fn real(check: &mut Check, pages: usize, stride: usize) -> Verdict {
    let space = Mapping::new(pages * stride, Protection::ReadWrite).context("mmap")?;
    let free = || sys::stats().context("stats").map(|stats| stats.free_frames);
    let before = free()?;
    (0..pages).for_each(|number| space.write(number * stride, 0, 1));
    let taken = before.saturating_sub(free()?);
    let tables = taken.saturating_sub(pages as u64);
    check.metric("real_bytes", tables * PAGE as u64);
    check.line(&format!(
        "the kernel's page tables for {pages} such pages took {tables} frames more than the pages"
    ))
}
