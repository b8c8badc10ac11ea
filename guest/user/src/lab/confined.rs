//! Pages with a budget of frames and a replacement policy of their own.

use alloc::vec;
use alloc::vec::Vec;

use abi::confine::{Confine, ConfinedCounts, MOST_USES, name_bytes};
use abi::syscall::Protection;

use crate::check::{Check, Context as _, Failure, Verdict};
use crate::mapping::Mapping;
use crate::sys;

/// A confined area, unmapped when dropped.
#[derive(Debug)]
pub struct Confined {
    /// Its pages.
    pub pages: Mapping,
}

/// How it is confined, as a check's arguments say.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Name of the policy.
    pub policy: &'static str,
    /// Frames, and what else the policy is told.
    pub how: Confine,
}

impl Setup {
    /// Of the arguments `frames` and, if they are there, `policy` (default `fifo`), `traced` (0: not every use is
    /// seen), `tick`, `window` and `seed`.
    pub fn of(check: &Check) -> Result<Self, Failure> {
        let or = |name, value| value_or(check, name, value);
        let how = Confine {
            frames: check.value("frames")?,
            traced: or("traced", 1)?.min(1) * MOST_USES,
            tick: or("tick", 1)?,
            window: or("window", 0)?,
            seed: or("seed", 1)?,
            ..Confine::default()
        };
        ensure!(how.frames > 0, "frames=0: 1 is the least");
        Self {
            policy: check.named("policy").unwrap_or("fifo"),
            how,
        }
        .named()
    }

    /// The same under another policy.
    pub fn under(self, policy: &'static str) -> Result<Self, Failure> {
        Self { policy, ..self }.named()
    }

    fn named(mut self) -> Result<Self, Failure> {
        let policy = self.policy;
        let name = name_bytes(policy);
        let no_name = || Failure(alloc::format!("policy={policy} is too long a name"));
        self.how.policy = name.ok_or_else(no_name)?;
        Ok(self)
    }
}

/// A named argument that is a number, or `value` if it is not there.
pub fn value_or(check: &Check, name: &str, value: u64) -> Result<u64, Failure> {
    match check.named(name) {
        Some(_) => check.value(name),
        None => Ok(value),
    }
}

impl Confined {
    /// `pages` zero pages, none of which is in memory yet, confined so; `future` is for OPT.
    pub fn new(pages: usize, setup: &Setup, future: &[u32]) -> Result<Self, Failure> {
        let pages = Mapping::new(pages, Protection::ReadWrite).context("mmap")?;
        let bytes = pages.end() - pages.address();
        sys::confine(pages.address(), bytes, &setup.how, future).map_err(|errno| {
            let (policy, frames, traced) = (setup.policy, setup.how.frames, setup.how.traced > 0);
            Failure(alloc::format!(
                "confining to {frames} frames under {policy} (traced: {traced}): {errno:?}"
            ))
        })?;
        Ok(Self { pages })
    }

    /// What has happened in it.
    pub fn counts(&self) -> Result<ConfinedCounts, Failure> {
        sys::confined_counts(self.pages.address()).context("counts")
    }

    /// Its uses so far, by number of page.
    pub fn uses(&self) -> Result<Vec<u32>, Failure> {
        let recorded = self.counts()?.recorded as usize;
        let mut uses = vec![0; recorded];
        let number = sys::confined_trace(self.pages.address(), 0, &mut uses).context("trace")?;
        ensure!(number == recorded, "{number} of {recorded} uses came");
        Ok(uses)
    }

    /// Bytes of it.
    pub fn bytes(&self) -> usize {
        self.pages.end() - self.pages.address()
    }
}

/// Notes all `counts` as figures.
pub fn report(check: &mut Check, counts: &ConfinedCounts) {
    let figures = [
        ("faults", counts.faults),
        ("uses", counts.uses),
        ("evictions_written", counts.evictions_written),
        ("evictions_clean", counts.evictions_clean),
        ("swap_ins", counts.swap_ins),
        ("resident", counts.resident),
        ("refused", counts.refused),
    ];
    for (name, value) in figures {
        check.metric(name, value);
    }
}

/// Looks whether `counts` can be true: what came has gone or is there, and there is no more than
/// there are frames.
pub fn judge(counts: &ConfinedCounts, frames: u64) -> Verdict {
    let gone = counts.evictions_written + counts.evictions_clean;
    ensure!(
        counts.faults == gone + counts.resident,
        "{} pages came, {gone} went, {} are there",
        counts.faults,
        counts.resident
    );
    ensure!(
        counts.resident <= frames,
        "{} pages in {frames} frames",
        counts.resident
    );
    Ok(())
}
