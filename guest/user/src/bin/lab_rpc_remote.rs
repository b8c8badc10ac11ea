//! Laboratory: remote procedure calls to another machine, where `lab_rpc_peer` runs. The arguments are
//! those of [`Plan`].
#![no_std]
#![no_main]

use rpc::{CallError, Transport};
use user::alloc::format;
use user::check::{Check, Context as _, Failure, Verdict};
use user::ipc::Frames;
use user::lab::calls::{Plan, counter};
use user::time::{MS, now_ns};

user::check!(run);

/// The other machine may still be starting.
const PATIENCE_NS: u64 = 20_000 * MS;

fn run(check: &mut Check) -> Verdict {
    let plan = Plan::of(check)?;
    let transport = Frames::open().context("the network card")?;
    // Runs come one after the other, so the time tells one's client from the next one's.
    let mut stub = plan.stub(transport, now_ns());
    let before = total(&mut stub)?;
    plan.call(check, &mut stub)?;
    check.metric("executions", total(&mut stub)? - before);
    Ok(())
}

/// What the other machine has counted so far.
fn total(stub: &mut counter::Stub<impl Transport>) -> Result<u64, Failure> {
    let end = now_ns() + PATIENCE_NS;
    loop {
        match stub.total() {
            Err(CallError::NoAnswer) if now_ns() < end => {}
            other => {
                return other.map_err(|error| Failure(format!("the other machine: {error:?}")));
            }
        }
    }
}
