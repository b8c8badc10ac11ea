//! Calls to a server that counts how often it executes them, and how they are asked for.

use crate::check::{Check, Failure, Verdict};
use crate::time::{MS, now_ns};
use alloc::format;
use core::sync::atomic::{AtomicU64, Ordering};
use rpc::{Client, Faults, Lossy, Semantics, Settings, Transport};

rpc::rpc! {
    /// A number on a server.
    pub mod counter = 1, version 1 from 1 {
        /// Adds to the number; what it is then.
        1 => fn add(amount: u64) -> u64;
        /// What it is.
        2 => fn total() -> u64;
    }
}

/// The server's number, wherever it is.
pub struct Counter<'a>(pub &'a AtomicU64);

impl counter::Procedures for Counter<'_> {
    fn add(&mut self, amount: u64) -> u64 {
        self.0.fetch_add(amount, Ordering::Relaxed) + amount
    }

    fn total(&mut self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

const MOST_CALLS: u64 = 10_000;
const MOST_TRIES: u64 = 100;
const MOST_MS: u64 = 10_000;

/// `semantics=at-least-once|at-most-once calls=N lost=PERMILLE doubled=PERMILLE seed=N timeout_ms=N
/// tries=N`.
pub struct Plan {
    calls: u64,
    settings: Settings,
    faults: Faults,
}

fn number(check: &Check, name: &str, most: u64) -> Result<u64, Failure> {
    let value = check.value(name)?;
    ensure!(value <= most, "{name}={value} is more than {most}");
    Ok(value)
}

/// What goes wrong with the messages of one end, by the arguments `lost`, `doubled` and `seed`.
pub fn faults(check: &Check) -> Result<Faults, Failure> {
    Ok(Faults {
        lost_permille: number(check, "lost", 900)?,
        doubled_permille: number(check, "doubled", 1000)?,
        seed: number(check, "seed", u64::MAX / 4)?,
    })
}

impl Plan {
    /// That of the arguments.
    pub fn of(check: &Check) -> Result<Self, Failure> {
        let semantics = match check.text("semantics")? {
            "at-least-once" => Semantics::AtLeastOnce,
            "at-most-once" => Semantics::AtMostOnce,
            other => {
                let text = format!("semantics={other} is neither at-least-once nor at-most-once");
                return Err(Failure(text));
            }
        };
        Ok(Self {
            calls: number(check, "calls", MOST_CALLS)?,
            settings: Settings {
                semantics,
                timeout_ns: number(check, "timeout_ms", MOST_MS)? * MS,
                tries: number(check, "tries", MOST_TRIES)? as u32,
            },
            faults: faults(check)?,
        })
    }

    /// A client over that transport, of whose messages some are lost.
    pub fn stub<T: Transport>(&self, transport: T, client: u64) -> counter::Stub<Lossy<T>> {
        let transport = Lossy::new(transport, self.faults);
        counter::Stub(Client::new(transport, client, self.settings))
    }

    /// Makes all calls, and says what came of them.
    pub fn call<T: Transport>(
        &self,
        check: &mut Check,
        stub: &mut counter::Stub<Lossy<T>>,
    ) -> Verdict {
        let before = stub.0.counts();
        let start = now_ns();
        let answered = (0..self.calls).filter(|_| stub.add(1).is_ok()).count();
        check.metric("elapsed_ns", now_ns() - start);
        check.metric("calls", self.calls);
        check.metric("answered", answered as u64);
        check.metric("requests", stub.0.counts().requests - before.requests);
        check.metric("lost_requests", stub.0.transport().faults().0);
        Ok(())
    }
}
