//! Laboratory: servers of several kinds for the same requests ([`server`]).
//!
//! `kind=processes, threads, events or helpers [workers=N] requests=N cpu_us=N device_us=N every=N`.
#![no_std]
#![no_main]

use user::alloc::format;
use user::check::{Check, Context as _, Failure, Verdict};
use user::lab::server::{self, Kind, Load, MOST_REQUESTS};
use user::{ensure, sys};

user::check!(run);

const MOST_WORKERS: u64 = 16;

fn run(check: &mut Check) -> Verdict {
    let workers = check.value_or("workers", 1)?;
    ensure!(
        (1..=MOST_WORKERS).contains(&workers),
        "workers={workers} is not 1 to {MOST_WORKERS}"
    );
    let kind = match check.text("kind")? {
        "processes" => Kind::Processes(workers),
        "threads" => Kind::Threads(workers),
        "events" => Kind::Events,
        "helpers" => Kind::Helpers(workers),
        other => {
            let text = format!("kind={other} is not processes, threads, events or helpers");
            return Err(Failure(text));
        }
    };
    let byte = |name: &str| {
        let value = check.value(name)?;
        u8::try_from(value)
            .ok()
            .filter(|value| (1..=MOST_REQUESTS).contains(value))
            .ok_or_else(|| Failure(format!("{name}={value} is not 1 to {MOST_REQUESTS}")))
    };
    let load = Load {
        requests: byte("requests")?,
        cpu_ns: check.value("cpu_us")? * 1000,
        device_ns: check.value("device_us")? * 1000,
        every: byte("every")?,
    };
    sys::set_affinity(1).context("affinity to processor 0")?;
    let report = server::run(kind, load)?;
    check.metric("requests", load.requests.into());
    check.metric("total_ns", report.total_ns);
    check.metric("mean_ns", report.mean_ns);
    check.metric("hit_ns", report.hit_ns);
    check.metric("frames", report.frames);
    check.line("the device is time that passes: who waits for it sleeps")
}
