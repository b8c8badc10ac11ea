//! Laboratory: a workload on pages that have few frames under a replacement policy.
//!
//! Arguments: `policy`, `frames`, what [`Setup`] and [`Workload`] take, and `show=1` to have the
//! pages said in the order of their uses, those marked that faulted. OPT works on the uses that were
//! recorded in a run before, with frames for all pages.
#![no_std]
#![no_main]

use user::alloc::format;
use user::alloc::string::String;
use user::alloc::vec::Vec;
use user::check::{Check, Failure, Verdict};
use user::lab::confined::{self, Confined, Setup};
use user::lab::workload::Workload;
use user::time::now_ns;

user::check!(run);

/// Policies that must know the future.
const PROPHETS: [&str; 1] = ["opt"];

/// The uses of a run with frames for all pages.
fn record(setup: Setup, workload: &Workload) -> Result<Vec<u32>, Failure> {
    let mut setup = setup.under("fifo")?;
    setup.how.frames = workload.pages as u64;
    let area = Confined::new(workload.pages, &setup, &[])?;
    workload.run(&area.pages, |_| Ok(()))?;
    area.uses()
}

fn run(check: &mut Check) -> Verdict {
    let setup = Setup::of(check)?;
    let workload = Workload::of(check)?;
    let future = match PROPHETS.contains(&setup.policy) {
        true => record(setup, &workload)?,
        false => Vec::new(),
    };
    let area = Confined::new(workload.pages, &setup, &future)?;
    let start = now_ns();
    match check.named("show") {
        Some("1") => show(check, &setup, &workload, &area)?,
        _ => workload.run(&area.pages, |_| Ok(()))?,
    }
    let elapsed_ns = now_ns() - start;
    let counts = area.counts()?;
    confined::report(check, &counts);
    if let Some(name) = check.named("workload") {
        check.metric(format!("faults_{name}"), counts.faults);
    }
    check.metric("frames", setup.how.frames);
    check.metric("elapsed_ns", elapsed_ns);
    confined::judge(&counts, setup.how.frames)
}

/// Runs it and says which uses were faults.
fn show(check: &Check, setup: &Setup, workload: &Workload, area: &Confined) -> Verdict {
    let mut faults = 0;
    let mut uses = String::new();
    workload.run(&area.pages, |page| {
        let now = area.counts()?.faults;
        uses += &format!(" {page}{}", if now > faults { "*" } else { "" });
        faults = now;
        Ok(())
    })?;
    let (policy, frames) = (setup.policy, setup.how.frames);
    check.line(&format!("{policy}, {frames} frames (* a fault):{uses}"))
}
