//! Workers that do the same work, each a thread or a process.

use alloc::format;
use alloc::vec::Vec;

use super::Common;
use crate::check::{Check, Context as _, Failure, Verdict};
use crate::process::{Child, exit_code};
use crate::sys::{self, FOREVER};
use crate::thread;

/// What workers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crew {
    /// Threads of this process.
    Threads,
    /// Processes with common memory.
    Processes,
}

impl Crew {
    /// The argument `workers=threads` or `workers=processes`.
    pub fn of(check: &Check) -> Result<Self, Failure> {
        match check.text("workers")? {
            "threads" => Ok(Self::Threads),
            "processes" => Ok(Self::Processes),
            other => Err(Failure(format!(
                "workers={other} is neither threads nor processes"
            ))),
        }
    }

    /// Runs `body` in `count` workers, with `common` and a number each, spread over the processors, and
    /// waits for all of them.
    pub fn run<T: Sync>(
        self,
        count: usize,
        common: Common<T>,
        body: fn(&T, usize) -> Verdict,
    ) -> Verdict {
        let cpus = sys::sys_info().context("system info")?.cpus;
        let work = move |number: usize| {
            sys::set_affinity(1 << (number as u64 % cpus)).context("affinity")?;
            body(&common, number)
        };
        match self {
            Self::Threads => in_threads(count, work),
            Self::Processes => in_processes(count, work),
        }
    }
}

fn in_threads(count: usize, work: impl Fn(usize) -> Verdict + Copy + Send + 'static) -> Verdict {
    let mut threads = Vec::new();
    for number in 0..count {
        threads.push(thread::spawn(move || work(number)).context("a thread")?);
    }
    for thread in threads {
        thread.join().context("join")??;
    }
    Ok(())
}

fn in_processes(count: usize, work: impl Fn(usize) -> Verdict) -> Verdict {
    let mut children = Vec::new();
    for number in 0..count {
        let child = Child::fork(|| match work(number) {
            Ok(()) => 0,
            Err(Failure(text)) => {
                println!("worker {number}: {text}");
                1
            }
        });
        children.push(child.context("fork")?);
    }
    for (number, child) in children.iter().enumerate() {
        let status = child.wait(FOREVER).context("wait")?;
        ensure!(
            exit_code(status) == Some(0),
            "worker {number} ended with {status:?}"
        );
    }
    Ok(())
}
