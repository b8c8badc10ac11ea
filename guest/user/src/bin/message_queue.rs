//! Check: messages come by priority and in order, wait for room and for one another, between
//! processes, too, and what is no message is refused without harm to others.
#![no_std]
#![no_main]

use user::abi::syscall::Errno;
use user::alloc::vec;
use user::check::{Check, Context as _, Verdict};
use user::ipc::Queue;
use user::process::{Child, exit_code};
use user::sys::{FOREVER, ipc};
use user::time::{MS, now_ns};
use user::{ensure, sys};

user::check!(run);

const MESSAGES: u64 = 200;
/// Of the queue between processes: far fewer than go through it.
const ROOM: u64 = 4;
const SHORT_NS: u64 = 2 * MS;

fn run(check: &mut Check) -> Verdict {
    order()?;
    waiting()?;
    bad_input()?;
    names()?;
    between_processes(check)
}

fn order() -> Verdict {
    let queue = Queue::new(8, 16).context("a queue")?;
    for (priority, text) in [(1, b"a"), (31, b"b"), (0, b"c"), (1, b"d"), (31, b"e")] {
        queue.send(text, priority, 0).context("send")?;
    }
    let mut text = [0; 16];
    for (priority, expected) in [(31, b"b"), (31, b"e"), (1, b"a"), (1, b"d"), (0, b"c")] {
        let (len, found) = queue.receive(&mut text, 0).context("receive")?;
        ensure!(
            &text[..len] == expected && found == priority,
            "{:?} of priority {found} came where {expected:?} of {priority} was first",
            &text[..len]
        );
    }
    Ok(())
}

fn waiting() -> Verdict {
    let queue = Queue::new(1, 1).context("a queue")?;
    let before = now_ns();
    let none = queue.receive(&mut [0], SHORT_NS);
    ensure!(
        none == Err(Errno::TimedOut) && now_ns() - before >= SHORT_NS,
        "an empty queue gave {none:?}"
    );
    queue.send(b"x", 0, 0).context("send")?;
    let full = queue.send(b"y", 31, SHORT_NS);
    ensure!(full == Err(Errno::TimedOut), "a full queue gave {full:?}");
    let first = queue.receive(&mut [0], 0);
    ensure!(first == Ok((1, 0)), "what was sent in time gave {first:?}");
    Ok(())
}

fn bad_input() -> Verdict {
    for (messages, bytes) in [(1, 0), (1, 1 << 17), (1 << 40, 1), (1024, 65536)] {
        let queue = Queue::new(messages, bytes).map(drop);
        ensure!(
            queue == Err(Errno::Inval),
            "a queue of {messages} times {bytes}: {queue:?}"
        );
    }
    let queue = Queue::new(2, 4096).context("a queue")?;
    let page = vec![7; 4097];
    for (result, expected) in [
        (queue.send(&page, 0, 0), Errno::MsgSize),
        (queue.send(b"x", 32, 0), Errno::Inval),
        (
            ipc::send_wild(queue.fd(), 0x10, 8, 0).map(drop),
            Errno::Fault,
        ),
        (
            ipc::send_wild(queue.fd(), u64::MAX - 3, 8, 0).map(drop),
            Errno::Fault,
        ),
        (sys::write(queue.fd(), b"x").map(drop), Errno::BadF),
    ] {
        ensure!(
            result == Err(expected),
            "{result:?} instead of {expected:?}"
        );
    }
    queue.send(&page[..64], 9, 0).context("send")?;
    let short = queue.receive(&mut [0; 63], 0);
    ensure!(
        short == Err(Errno::MsgSize),
        "too short a buffer: {short:?}"
    );
    let nowhere = ipc::receive_wild(queue.fd(), 0x10, 64, 0);
    ensure!(
        nowhere == Err(Errno::Fault),
        "no buffer at all: {nowhere:?}"
    );
    let whole = queue.receive(&mut [0; 64], 0);
    ensure!(whole == Ok((64, 9)), "it has not stayed there: {whole:?}");
    Ok(())
}

fn names() -> Verdict {
    let name = "message queue";
    let missing = Queue::existing(name).map(drop);
    ensure!(missing == Err(Errno::NoEnt), "no queue: {missing:?}");
    let queue = Queue::named(name, 1, 8).context("a queue with a name")?;
    let same = Queue::existing(name).context("the same queue")?;
    queue.send(b"there", 0, 0).context("send")?;
    ensure!(
        same.receive(&mut [0; 8], 0) == Ok((5, 0)),
        "one name, two queues"
    );
    drop((queue, same));
    let gone = Queue::existing(name).map(drop);
    ensure!(gone == Err(Errno::NoEnt), "a closed queue: {gone:?}");
    let long = Queue::named(&"n".repeat(65), 1, 8).map(drop);
    ensure!(long == Err(Errno::Inval), "a name of 65 bytes: {long:?}");
    Ok(())
}

/// Sends numbers to a child, which waits for them and sends them back.
fn between_processes(check: &mut Check) -> Verdict {
    let there = Queue::new(ROOM, 8).context("a queue")?;
    let back = Queue::new(MESSAGES, 8).context("a queue")?;
    let child = Child::fork(|| echo(&there, &back).map_or(1, |()| 0)).context("fork")?;
    let start = now_ns();
    for number in 0..MESSAGES {
        there
            .send(&number.to_le_bytes(), 0, FOREVER)
            .context("send")?;
    }
    let mut number = [0; 8];
    for expected in 0..MESSAGES {
        back.receive(&mut number, FOREVER).context("receive")?;
        let number = u64::from_le_bytes(number);
        ensure!(number == expected, "{number} came, not {expected}");
    }
    check.metric("messages", 2 * MESSAGES);
    check.metric("message_ns", (now_ns() - start) / (2 * MESSAGES));
    let status = child.wait(FOREVER).context("wait")?;
    ensure!(exit_code(status) == Some(0), "the child: {status:?}");
    Ok(())
}

fn echo(from: &Queue, to: &Queue) -> Result<(), Errno> {
    let mut number = [0; 8];
    for _ in 0..MESSAGES {
        from.receive(&mut number, FOREVER)?;
        to.send(&number, 0, FOREVER)?;
    }
    Ok(())
}
