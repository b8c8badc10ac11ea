//! Check: sockets carry bytes both ways between processes that find each other by name, say when the
//! other end has gone, and wait no longer than they were told to.
#![no_std]
#![no_main]

use user::abi::syscall::Errno;
use user::alloc::vec;
use user::check::{Check, Context as _, Failure, Verdict};
use user::ipc::{Listener, Socket};
use user::process::{Child, exit_code};
use user::sys::{FOREVER, ipc};
use user::time::{MS, now_ns};
use user::{ensure, sys};

user::check!(run);

const NAME: &str = "socket check";
/// More than a socket holds on its way.
const BYTES: usize = 40_000;
const SHORT_NS: u64 = 2 * MS;

fn run(check: &mut Check) -> Verdict {
    ends()?;
    refusals()?;
    backlog()?;
    between_processes(check)
}

fn ends() -> Verdict {
    let (mine, theirs) = Socket::pair().context("a pair")?;
    mine.send_all(b"there", 0).context("send")?;
    theirs.send_all(b"back", 0).context("send")?;
    let mut text = [0; 8];
    let there = theirs.receive(&mut text, 0);
    ensure!(there == Ok(5) && &text[..5] == b"there", "{there:?}");
    let back = mine.receive(&mut text, 0);
    ensure!(back == Ok(4) && &text[..4] == b"back", "{back:?}");
    let nothing = mine.receive(&mut text, SHORT_NS);
    ensure!(nothing == Err(Errno::TimedOut), "nothing sent: {nothing:?}");
    let full = mine.send_all(&vec![0; BYTES], SHORT_NS);
    ensure!(full == Err(Errno::TimedOut), "too much sent: {full:?}");
    drop(theirs);
    let end = mine.receive(&mut text, FOREVER);
    ensure!(end == Ok(0), "the other end has gone: {end:?}");
    let broken = mine.send_all(b"x", FOREVER);
    ensure!(broken == Err(Errno::Pipe), "nobody is there: {broken:?}");
    Ok(())
}

fn refusals() -> Verdict {
    let nobody = Socket::connect(NAME, 0).map(drop);
    ensure!(nobody == Err(Errno::ConnRefused), "nobody: {nobody:?}");
    for backlog in [0, 65, u64::MAX] {
        let listener = Listener::new(NAME, backlog).map(drop);
        ensure!(
            listener == Err(Errno::Inval),
            "a backlog of {backlog}: {listener:?}"
        );
    }
    let unnamed = Listener::new("", 1).map(drop);
    ensure!(unnamed == Err(Errno::Inval), "no name: {unnamed:?}");
    let (socket, _other) = Socket::pair().context("a pair")?;
    for (result, expected) in [
        (
            sys::ipc::socket_accept(socket.fd(), 0).map(drop),
            Errno::BadF,
        ),
        (
            ipc::send_wild(socket.fd(), 0x10, 8, 0).map(drop),
            Errno::Fault,
        ),
        (
            ipc::receive_wild(socket.fd(), 0x10, 8, 0).map(drop),
            Errno::Fault,
        ),
        (
            ipc::send_wild(socket.fd(), NAME.as_ptr().addr() as u64, 1, 1).map(drop),
            Errno::Inval,
        ),
    ] {
        ensure!(
            result == Err(expected),
            "{result:?} instead of {expected:?}"
        );
    }
    Ok(())
}

fn backlog() -> Verdict {
    let listener = Listener::new(NAME, 1).context("a listener")?;
    let taken = Listener::new(NAME, 1).map(drop);
    ensure!(taken == Err(Errno::AddrInUse), "the name twice: {taken:?}");
    let nobody = listener.accept(SHORT_NS).map(drop);
    ensure!(nobody == Err(Errno::TimedOut), "nobody there: {nobody:?}");
    let first = Socket::connect(NAME, 0).context("connect")?;
    let full = Socket::connect(NAME, SHORT_NS).map(drop);
    ensure!(full == Err(Errno::TimedOut), "one too many: {full:?}");
    drop(listener);
    let end = first.receive(&mut [0], FOREVER);
    ensure!(end == Ok(0), "never accepted: {end:?}");
    Ok(())
}

fn between_processes(check: &mut Check) -> Verdict {
    let listener = Listener::new(NAME, 4).context("a listener")?;
    let child = Child::fork(|| echo().map_or(1, |()| 0)).context("fork")?;
    let socket = listener.accept(FOREVER).context("accept")?;
    let mut bytes = vec![0; BYTES];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = (index ^ index >> 8).to_le_bytes()[0];
    }
    let start = now_ns();
    socket.send_all(&bytes, FOREVER).context("send")?;
    let mut echoed = vec![0; BYTES];
    receive_all(&socket, &mut echoed).context("receive")?;
    check.metric("bytes", 2 * BYTES as u64);
    check.metric("elapsed_ns", now_ns() - start);
    ensure!(echoed == bytes, "other bytes came back");
    drop(socket);
    let status = child.wait(FOREVER).context("wait")?;
    match exit_code(status) {
        Some(0) => Ok(()),
        _ => Err(Failure(user::alloc::format!("the child: {status:?}"))),
    }
}

fn receive_all(socket: &Socket, to: &mut [u8]) -> Result<(), Errno> {
    let mut done = 0;
    while done < to.len() {
        match socket.receive(&mut to[done..], FOREVER)? {
            0 => return Err(Errno::Pipe),
            count => done += count,
        }
    }
    Ok(())
}

/// Sends all that comes back, until there is no more.
fn echo() -> Result<(), Errno> {
    let socket = Socket::connect(NAME, FOREVER)?;
    let mut bytes = vec![0; BYTES];
    receive_all(&socket, &mut bytes)?;
    socket.send_all(&bytes, FOREVER)?;
    match socket.receive(&mut [0], FOREVER)? {
        0 => Ok(()),
        _ => Err(Errno::Io),
    }
}
