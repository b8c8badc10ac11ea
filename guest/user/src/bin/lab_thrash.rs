//! Laboratory: processes that share a pool of frames, each with a working set of its own.
//!
//! Arguments: what [`Pool`] takes; `processes`; `pages`, the working set of each, as a list or the
//! same for all, which it uses in `order=loop` (the default) or `random`; `priorities`, as a list, default 1; `units` of work of each process, of `unit_us`
//! of computing after the use of one page; what [`Setup`] takes, as `policy` within a share, and
//! `window` in uses for the working set, which is known if `traced` is not 0. With `high` there is a daemon.
//!
//! Utilisation is the time that all computing takes, of the time that has passed.
#![no_std]
#![no_main]

use user::alloc::format;
use user::alloc::vec;
use user::alloc::vec::Vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::file::File;
use user::lab::confined::{Confined, Setup};
use user::lab::pool::Pool;
use user::lab::processor;
use user::lab::random::Random;
use user::process::{Child, exit_code};
use user::sys::FOREVER;
use user::time::now_ns;

user::check!(run);

/// What every process does.
struct Plan {
    setup: Setup,
    units: u64,
    unit_ns: u64,
    order: Order,
}

/// In which order a process uses its pages.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Loop,
    Random,
}

/// Numbers `NAME=A,B,C` for `count` processes; the last one stands for those that are missing.
fn list(check: &Check, name: &str, count: u64, default: &'static str) -> Result<Vec<u64>, Failure> {
    let text = check.named(name).unwrap_or(default);
    let mut numbers = Vec::new();
    for word in text.split(',') {
        let number = word
            .parse::<u64>()
            .ok()
            .filter(|number| (1..=512).contains(number));
        numbers.push(number.ok_or_else(|| Failure(format!("{name}={text}: 1 to 512 each")))?);
    }
    let last = numbers.last().copied().unwrap_or(1);
    numbers.resize(count as usize, last);
    Ok(numbers)
}

/// Uses its pages; each holds how often it was used.
fn work(plan: &Plan, pages: u64, ready: &File, start: &File) -> Verdict {
    let area = Confined::new(pages as usize, &plan.setup, &[])?;
    ready.write_all(&[1]).context("ready")?;
    let mut byte = [0];
    start.read(&mut byte).context("start")?;
    let mut counts = vec![0; pages as usize];
    let mut random = Random::new(pages);
    for unit in 0..plan.units as usize {
        let page = match plan.order {
            Order::Loop => unit % counts.len(),
            Order::Random => random.below(counts.len()),
        };
        let found = area.pages.read(page, 0);
        ensure!(
            found == counts[page],
            "page {page} holds {found}, not {}",
            counts[page]
        );
        counts[page] += 1;
        area.pages.write(page, 0, counts[page]);
        processor::spend(plan.unit_ns).context("computing")?;
    }
    Ok(())
}

fn plan(check: &Check, pool: &Pool, unit_us: u64) -> Result<Plan, Failure> {
    let mut setup = Setup::of(check)?;
    setup.how.pool = pool.name();
    Ok(Plan {
        setup,
        units: check.value("units")?,
        unit_ns: unit_us * 1000,
        order: match check.named("order") {
            None | Some("loop") => Order::Loop,
            Some("random") => Order::Random,
            Some(other) => return Err(Failure(format!("order={other}: loop or random"))),
        },
    })
}

/// Has a process work for each of `members`, pages and priority; when each had ended, in order.
fn run_all(mut plan: Plan, members: &[(u64, u64)]) -> Result<Vec<u64>, Failure> {
    let (ready, tell) = File::pipe().context("pipe")?;
    let (wait, start) = File::pipe().context("pipe")?;
    let mut children = Vec::new();
    for (pages, priority) in members {
        plan.setup.how.priority = *priority;
        let child = Child::fork(|| {
            let done = work(&plan, *pages, &tell, &wait);
            if let Err(Failure(why)) = &done {
                user::println!("{why}");
            }
            // The time that it takes to end a process is no part of the work.
            let told = tell.write_all(&[1]);
            i32::from(done.is_err() || told.is_err())
        });
        children.push(child.context("fork")?);
    }
    for _ in &children {
        ready.read_exact(&mut [0]).context("a process")?;
    }
    let began = now_ns();
    let bytes = vec![1; children.len()];
    start.write_all(&bytes).context("the start")?;
    let mut ends = Vec::new();
    for _ in &children {
        ready.read_exact(&mut [0]).context("an end")?;
        ends.push(now_ns() - began);
    }
    for child in children {
        let status = child.wait(FOREVER).context("wait")?;
        ensure!(exit_code(status) == Some(0), "a process: {status:?}");
    }
    Ok(ends)
}

fn run(check: &mut Check) -> Verdict {
    let pool = Pool::of(check)?;
    let processes = check.value("processes")?;
    ensure!(
        (1..=16).contains(&processes),
        "processes={processes}: 1 to 16"
    );
    let pages = list(check, "pages", processes, "8")?;
    let priorities = list(check, "priorities", processes, "1")?;
    let members: Vec<_> = pages.into_iter().zip(priorities).collect();
    let unit_us = check.value("unit_us")?;
    let plan = plan(check, &pool, unit_us)?;
    let uses = processes * plan.units;

    let daemon = (pool.setup.high > 0).then(|| Child::fork(|| i32::from(pool.serve().is_err())));
    let daemon = daemon.transpose().context("fork")?;
    let ends = run_all(plan, &members)?;
    let counts = pool.counts()?;
    drop(pool);
    if let Some(daemon) = daemon {
        let status = daemon.wait(FOREVER).context("the daemon")?;
        ensure!(exit_code(status) == Some(0), "the daemon: {status:?}");
    }
    let elapsed_ns = ends.last().copied().unwrap_or(0).max(1);
    let figures = [
        ("processes", processes),
        ("faults", counts.faults),
        ("uses", uses),
        ("fault_percent", counts.faults * 100 / uses.max(1)),
        ("suspensions", counts.suspensions),
        ("most_used", counts.most_used),
        ("direct", counts.direct),
        ("daemon", counts.daemon),
        ("elapsed_ns", elapsed_ns),
        ("utilisation_percent", uses * unit_us * 100_000 / elapsed_ns),
        ("first_ns", ends.first().copied().unwrap_or(0)),
    ];
    for (name, value) in figures {
        check.metric(name, value);
    }
    Ok(())
}
