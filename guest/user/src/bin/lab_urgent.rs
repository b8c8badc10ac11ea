//! Laboratory: an urgent message behind others in a queue, with priorities and without.
//!
//! `waiting=N urgent=PRIORITY work_us=N`: so many messages of priority 0 wait when the urgent one is
//! sent; the server works so long for each.
#![no_std]
#![no_main]

use user::check::{Check, Context as _, Failure, Verdict};
use user::ensure;
use user::ipc::Queue;
use user::process::{Child, exit_code};
use user::sys::FOREVER;
use user::time::now_ns;

user::check!(run);

const MOST_WAITING: u64 = 1000;
const MOST_WORK_US: u64 = 100_000;
const ORDINARY: u64 = 0;
const URGENT: u64 = 1;

fn run(check: &mut Check) -> Verdict {
    let waiting = check.value("waiting")?;
    let (urgent, work_us) = (check.value("urgent")?, check.value("work_us")?);
    ensure!(
        (1..=MOST_WAITING).contains(&waiting),
        "waiting={waiting} is not from 1 to {MOST_WAITING}"
    );
    ensure!(urgent < 32, "urgent={urgent} is no priority from 0 to 31");
    ensure!(
        work_us <= MOST_WORK_US,
        "work_us={work_us} is more than {MOST_WORK_US}"
    );
    let requests = Queue::new(waiting + 1, 8).context("a queue")?;
    let answers = Queue::new(waiting + 1, 8).context("a queue")?;
    for _ in 0..waiting {
        send(&requests, ORDINARY, 0)?;
    }
    send(&requests, URGENT, urgent)?;
    let start = now_ns();
    let served = waiting + 1;
    let child = Child::fork(|| serve(&requests, &answers, served, work_us)).context("fork")?;
    let mut ahead = None;
    for before in 0..served {
        if receive(&answers)? == URGENT {
            check.metric("urgent_wait_ns", now_ns() - start);
            ahead = Some(before);
        }
    }
    check.metric("all_ns", now_ns() - start);
    check.metric("served", served);
    check.metric("ahead", ahead.ok_or("the urgent message was not served")?);
    let status = child.wait(FOREVER).context("wait")?;
    ensure!(exit_code(status) == Some(0), "the server: {status:?}");
    Ok(())
}

fn send(queue: &Queue, message: u64, priority: u64) -> Verdict {
    let sent = queue.send(&message.to_le_bytes(), priority, 0);
    sent.context("send")
}

fn receive(queue: &Queue) -> Result<u64, Failure> {
    let mut message = [0; 8];
    queue.receive(&mut message, FOREVER).context("receive")?;
    Ok(u64::from_le_bytes(message))
}

/// Takes the messages as the queue gives them, works for each, and sends it back.
fn serve(requests: &Queue, answers: &Queue, served: u64, work_us: u64) -> i32 {
    for _ in 0..served {
        let Ok(message) = receive(requests) else {
            return 1;
        };
        let end = now_ns() + work_us * 1000;
        while now_ns() < end {}
        if send(answers, message, 0).is_err() {
            return 2;
        }
    }
    0
}
