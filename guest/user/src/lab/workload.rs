//! Programs by which pages are used, each the same every time it runs.

use alloc::vec;
use alloc::vec::Vec;

use super::confined::value_or;
use super::random::{Random, Zipf};
use crate::check::{Check, Failure, Verdict};
use crate::mapping::{Mapping, WORDS_PER_PAGE};

/// How a page is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read.
    Read,
    /// Read and written.
    Write,
}

/// A program and what it works on.
#[derive(Clone, Debug)]
pub struct Workload {
    /// Pages that it needs.
    pub pages: usize,
    work: Work,
}

#[derive(Clone, Debug)]
enum Work {
    /// Pages in this order.
    Uses(Vec<(usize, Access)>),
    /// A square matrix, a row a page: sums by row, or by column.
    Matrix(Order),
    /// Words in no order are sorted: so many on each page.
    Sort(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Rows,
    Columns,
}

/// Pages of which most hot ones are used, of all: one in so many.
const HOT_PART: usize = 8;
/// Uses that are of hot pages, of ten.
const HOT_USES: usize = 9;

impl Workload {
    /// Of the arguments: `trace=0,1,2w` (w: written to), or `workload=NAME` with `pages`, and
    /// `uses`, `seed`, `access=read|write`, if they are there.
    pub fn of(check: &Check) -> Result<Self, Failure> {
        let access = match check.named("access") {
            None | Some("write") => Access::Write,
            Some("read") => Access::Read,
            Some(other) => {
                return Err(Failure(alloc::format!("access={other}: read or write")));
            }
        };
        match check.named("trace") {
            Some(trace) => Self::of_trace(trace, access),
            None => Self::of_name(check, access),
        }
    }

    fn of_trace(trace: &str, access: Access) -> Result<Self, Failure> {
        let mut uses = Vec::new();
        for word in trace.split(',') {
            let (number, access) = match word.strip_suffix('w') {
                Some(number) => (number, Access::Write),
                None => (word, access),
            };
            let page = number
                .parse::<usize>()
                .ok()
                .filter(|page| *page < MOST_PAGES);
            let page = page.ok_or_else(|| {
                Failure(alloc::format!(
                    "trace={trace}: {word} is no page below {MOST_PAGES}"
                ))
            })?;
            uses.push((page, access));
        }
        let pages = uses.iter().map(|(page, _)| page + 1).max().unwrap_or(1);
        Ok(Self {
            pages,
            work: Work::Uses(uses),
        })
    }

    fn of_name(check: &Check, access: Access) -> Result<Self, Failure> {
        let name = check.text("workload")?;
        let pages = check.value("pages")? as usize;
        ensure!(
            (1..=MOST_PAGES).contains(&pages),
            "pages={pages}: 1 to {MOST_PAGES}"
        );
        let number = |name, value| value_or(check, name, value);
        let uses = number("uses", 4 * pages as u64)? as usize;
        ensure!(uses <= MOST_USES, "uses={uses}: at most {MOST_USES}");
        let mut random = Random::new(number("seed", 1)?);
        let zipf = Zipf::new(pages);
        let hot = (pages / HOT_PART).max(1);
        let mut each = |draw: &mut dyn FnMut(usize, &mut Random) -> usize| {
            let pages = (0..uses).map(|nth| (draw(nth, &mut random), access));
            Work::Uses(pages.collect())
        };
        let work = match name {
            "sequential" => Work::Uses((0..pages).map(|page| (page, access)).collect()),
            "loop" => each(&mut |nth, _| nth % pages),
            "random" => each(&mut |_, random| random.below(pages)),
            "zipf" => each(&mut |_, random| zipf.draw(random)),
            "hot" => each(&mut |_, random| match random.below(10) {
                lot if lot < HOT_USES => random.below(hot),
                _ => random.below(pages),
            }),
            "rows" => Work::Matrix(Order::Rows),
            "columns" => Work::Matrix(Order::Columns),
            "sort" => Work::Sort((uses / pages).clamp(1, WORDS_PER_PAGE)),
            other => return Err(Failure(alloc::format!("workload={other}: {NAMES}"))),
        };
        Ok(Self { pages, work })
    }

    /// Does the work; `each` is called after each use of those that are listed one by one, with its
    /// page.
    pub fn run(&self, memory: &Mapping, each: impl FnMut(usize) -> Verdict) -> Verdict {
        match &self.work {
            Work::Uses(uses) => run_uses(memory, self.pages, uses, each),
            Work::Matrix(order) => run_matrix(memory, self.pages, *order),
            Work::Sort(words) => run_sort(
                &Words {
                    memory,
                    words: *words,
                },
                self.pages * words,
            ),
        }
    }
}

/// Most pages of a workload.
const MOST_PAGES: usize = 1024;
/// Most uses.
const MOST_USES: usize = 1 << 16;
/// What there is.
const NAMES: &str = "sequential, loop, random, zipf, hot, rows, columns or sort";

/// Each page counts how often it was written to, which is looked at whenever it is used.
fn run_uses(
    memory: &Mapping,
    pages: usize,
    uses: &[(usize, Access)],
    mut each: impl FnMut(usize) -> Verdict,
) -> Verdict {
    let mut counts = vec![0_u64; pages];
    for (page, access) in uses {
        let count = &mut counts[*page];
        let found = memory.read(*page, 0);
        ensure!(found == *count, "page {page} holds {found}, not {count}");
        if *access == Access::Write {
            *count += 1;
            memory.write(*page, 0, *count);
        }
        each(*page)?;
    }
    Ok(())
}

/// Adds a matrix up that it has filled before, in the same order.
fn run_matrix(memory: &Mapping, size: usize, order: Order) -> Verdict {
    let width = size.min(WORDS_PER_PAGE);
    let mut sum = 0;
    for outer in 0..if order == Order::Rows { size } else { width } {
        for inner in 0..if order == Order::Rows { width } else { size } {
            let (row, column) = match order {
                Order::Rows => (outer, inner),
                Order::Columns => (inner, outer),
            };
            memory.write(row, column, (row * width + column) as u64);
            sum += memory.read(row, column);
        }
    }
    let last = (size * width - 1) as u64;
    ensure!(sum == last * (last + 1) / 2, "the sum is {sum}");
    Ok(())
}

/// The first words of each page as one array.
struct Words<'a> {
    memory: &'a Mapping,
    words: usize,
}

impl Words<'_> {
    fn get(&self, index: usize) -> u64 {
        self.memory.read(index / self.words, index % self.words)
    }

    fn set(&self, index: usize, value: u64) {
        self.memory
            .write(index / self.words, index % self.words, value);
    }
}

/// Fills the array by lot, sorts it and looks at it.
fn run_sort(words: &Words<'_>, len: usize) -> Verdict {
    let mut random = Random::new(1);
    let mut sum = 0_u64;
    for index in 0..len {
        let value = random.next_word() >> 16;
        sum = sum.wrapping_add(value);
        words.set(index, value);
    }
    quicksort(words, len);
    let mut before = 0;
    for index in 0..len {
        let value = words.get(index);
        ensure!(before <= value, "word {index} is not in order");
        before = value;
        sum = sum.wrapping_sub(value);
    }
    ensure!(sum == 0, "the words are not those that were sorted");
    Ok(())
}

/// Hoare's quicksort; the parts that are left are on a stack of its own.
fn quicksort(words: &Words<'_>, len: usize) {
    let mut parts = vec![(0, len)];
    while let Some((start, end)) = parts.pop() {
        if end - start < 2 {
            continue;
        }
        let pivot = words.get(start + (end - start - 1) / 2);
        let (mut low, mut high) = (start, end - 1);
        loop {
            let (mut left, mut right) = (words.get(low), words.get(high));
            while left < pivot {
                low += 1;
                left = words.get(low);
            }
            while right > pivot {
                high -= 1;
                right = words.get(high);
            }
            if low >= high {
                break;
            }
            words.set(low, right);
            words.set(high, left);
            low += 1;
            high -= 1;
        }
        parts.extend([(start, high + 1), (high + 1, end)]);
    }
}
