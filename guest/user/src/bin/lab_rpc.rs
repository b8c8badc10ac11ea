//! Laboratory: remote procedure calls to another process.
//!
//! - `carrier=queue|socket` and the arguments of [`Plan`]: messages are lost and doubled both ways.
//! - the same with `kill=1`: after its calls the server is killed, and another call made.
#![no_std]
#![no_main]

use core::sync::atomic::{AtomicU64, Ordering};
use rpc::{CallError, Fault, Faults, Lossy, Server, Transport};
use user::alloc::format;
use user::check::{Check, Context as _, Failure, Verdict};
use user::ipc::rpc::{Queues, Stream};
use user::ipc::{Listener, Shared, Socket};
use user::lab::calls::{Counter, Plan, counter, faults};
use user::mapping::PAGE;
use user::process::Child;
use user::sys::FOREVER;
use user::time::now_ns;

user::check!(run);

/// Bytes of a message: a header, and a number.
const MESSAGE_BYTES: usize = 64;
const NAME: &str = "lab_rpc";
/// Where in the common memory the counts are.
const EXECUTIONS: usize = 0;
const REPEATED: usize = 8;

fn run(check: &mut Check) -> Verdict {
    let plan = Plan::of(check)?;
    // Other messages are lost than those of the client.
    let back = faults(check)?;
    let back = Faults {
        seed: back.seed + 1,
        ..back
    };
    let counts = Shared::new(PAGE).context("shared memory")?;
    match check.text("carrier")? {
        "queue" => {
            let (mine, theirs) = Queues::pair(MESSAGE_BYTES).context("queues")?;
            let child = Child::fork(|| serve(theirs, back, &counts)).context("fork")?;
            ask(check, &plan, mine, &child, &counts)
        }
        "socket" => {
            let listener = Listener::new(NAME, 1).context("listen")?;
            let child = Child::fork(|| match Socket::connect(NAME, FOREVER) {
                Ok(socket) => serve(Stream::new(socket), back, &counts),
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

/// The server: answers until nobody can ask any more.
fn serve(transport: impl Transport, faults: Faults, counts: &Shared) -> i32 {
    let counter = Counter(counts.at(EXECUTIONS));
    let repeated: &AtomicU64 = counts.at(REPEATED);
    let mut server = Server::new(counter::Skeleton(counter));
    let mut transport = Lossy::new(transport, faults);
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
    let mut stub = plan.stub(transport, 1);
    plan.call(check, &mut stub)?;
    server.kill().context("kill")?;
    if check.named("kill") == Some("1") {
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
