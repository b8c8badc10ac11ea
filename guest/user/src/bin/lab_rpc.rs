//! Laboratory: remote procedure calls to another process.
//!
//! - `carrier=queue|socket semantics=at-least-once|at-most-once calls=N lost=PERMILLE
//!   doubled=PERMILLE seed=N timeout_ms=N tries=N`: messages are lost and doubled both ways.
//! - the same with `kill=1`: after its calls the server is killed, and another call made.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};
use rpc::{CallError, Client, Fault, Faults, Lossy, Semantics, Server, Settings, Transport};
use user::alloc::format;
use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::ipc::rpc::{Queues, Stream};
use user::ipc::{Listener, Shared, Socket};
use user::mapping::PAGE;
use user::process::Child;
use user::sys::FOREVER;
use user::time::{MS, now_ns};

user::check!(run);

rpc::rpc! {
    /// What is counted here is how often the server executes what it was asked for.
    pub mod counter = 1, version 1 from 1 {
        /// Adds to the number; what it is then.
        1 => fn add(amount: u64) -> u64;
    }
}

const MOST_CALLS: u64 = 10_000;
const MOST_TRIES: u64 = 100;
/// Bytes of a message: a header, and a number.
const MESSAGE_BYTES: usize = 64;
const NAME: &str = "lab_rpc";
/// Where in the common memory the counts are.
const EXECUTIONS: usize = 0;
const REPEATED: usize = 8;

/// What the arguments ask for.
struct Plan {
    calls: u64,
    kill: bool,
    settings: Settings,
    there: Faults,
    back: Faults,
}

/// The server's number, where this process sees it, too.
struct Counter<'a>(&'a AtomicU64);

impl counter::Procedures for Counter<'_> {
    fn add(&mut self, amount: u64) -> u64 {
        self.0.fetch_add(amount, Ordering::Relaxed) + amount
    }
}

fn run(check: &mut Check) -> Verdict {
    let plan = plan(check)?;
    let counts = Shared::new(PAGE).context("shared memory")?;
    match check.text("carrier")? {
        "queue" => {
            let (mine, theirs) = Queues::pair(MESSAGE_BYTES).context("queues")?;
            let child = Child::fork(|| serve(theirs, &plan, &counts)).context("fork")?;
            ask(check, &plan, mine, &child, &counts)
        }
        "socket" => {
            let listener = Listener::new(NAME, 1).context("listen")?;
            let child = Child::fork(|| match Socket::connect(NAME, FOREVER) {
                Ok(socket) => serve(Stream::new(socket), &plan, &counts),
                Err(_) => 1,
            })
            .context("fork")?;
            let socket = listener.accept(FOREVER).context("accept")?;
            ask(check, &plan, Stream::new(socket), &child, &counts)
        }
        other => {
            let text = format!("carrier={other} is neither queue nor socket");
            Err(Failure(text))
        }
    }
}

fn plan(check: &Check) -> Result<Plan, Failure> {
    let number = |name, most| {
        let value = check.value(name)?;
        ensure!(value <= most, "{name}={value} is more than {most}");
        Ok(value)
    };
    let semantics = match check.text("semantics")? {
        "at-least-once" => Semantics::AtLeastOnce,
        "at-most-once" => Semantics::AtMostOnce,
        other => {
            let text = format!("semantics={other} is neither at-least-once nor at-most-once");
            return Err(Failure(text));
        }
    };
    let there = Faults {
        lost_permille: number("lost", 900)?,
        doubled_permille: number("doubled", 1000)?,
        seed: number("seed", u64::MAX / 4)?,
    };
    Ok(Plan {
        calls: number("calls", MOST_CALLS)?,
        kill: check.named("kill") == Some("1"),
        settings: Settings {
            semantics,
            timeout_ns: number("timeout_ms", 10_000)? * MS,
            tries: number("tries", MOST_TRIES)? as u32,
        },
        there,
        back: Faults {
            seed: there.seed + 1,
            ..there
        },
    })
}

/// The server: answers until nobody can ask any more.
fn serve(transport: impl Transport, plan: &Plan, counts: &Shared) -> i32 {
    let counter = Counter(counts.at(EXECUTIONS));
    let repeated: &AtomicU64 = counts.at(REPEATED);
    let mut server = Server::new(counter::Skeleton(counter));
    let mut transport = Lossy::new(transport, plan.back);
    while server.serve(&mut transport, FOREVER) != Err(Fault::Closed) {
        repeated.store(server.counts().repeated, Ordering::Relaxed);
    }
    0
}

/// The client: makes all calls, and says what came of them.
fn ask(
    check: &mut Check,
    plan: &Plan,
    transport: impl Transport,
    server: &Child,
    counts: &Shared,
) -> Verdict {
    let transport = Lossy::new(transport, plan.there);
    let mut stub = counter::Stub(Client::new(transport, 1, plan.settings));
    let start = now_ns();
    let answered = (0..plan.calls).filter(|_| stub.add(1).is_ok()).count();
    check.metric("elapsed_ns", now_ns() - start);
    check.metric("calls", plan.calls);
    check.metric("answered", answered as u64);
    check.metric("requests", stub.0.counts().requests);
    check.metric("lost_requests", stub.0.transport().faults().0);
    server.kill().context("kill")?;
    if plan.kill {
        notice(check, &mut stub)?;
    }
    check.metric("executions", counts.read(EXECUTIONS));
    check.metric("repeated", counts.read(REPEATED));
    Ok(())
}

/// Calls a server that has been killed.
fn notice(check: &mut Check, stub: &mut counter::Stub<impl Transport>) -> Verdict {
    let start = now_ns();
    let outcome = stub.add(1);
    check.metric("notice_ns", now_ns() - start);
    match outcome {
        Err(error @ (CallError::NoAnswer | CallError::Lost)) => check.line(&format!(
            "the call to the killed server ends with {error:?}"
        )),
        other => Err(Failure(format!("a killed server's answer: {other:?}"))),
    }
}
