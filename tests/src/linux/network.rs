//! The host's end of a Linux guest's network: a TAP, and a program that gives and takes bytes.

use crate::{host, pattern};
use anyhow::{Context, Result, ensure};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Seed of what a guest gives.
pub const UP: u64 = 4;
/// Seed of what it takes.
pub const DOWN: u64 = 5;
/// Longest wait on a host of common speed.
const DEADLINE: Duration = Duration::from_secs(120);

/// Waits until `get` gives something.
pub fn within_deadline<T>(what: &str, mut get: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + host::patience(DEADLINE);
    loop {
        if let Some(got) = get()? {
            return Ok(got);
        }
        ensure!(Instant::now() < deadline, "no {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Takes so many bytes from a guest's first connection and gives as many to its second.
///
/// `accept` does not wait: a guest that never comes ends the test.
pub fn serve<S: Read + Write>(
    name: &'static str,
    bytes: u64,
    mut accept: impl FnMut() -> std::io::Result<S> + Send + 'static,
) -> JoinHandle<Result<()>> {
    thread::spawn(move || {
        let mut next = || {
            within_deadline(name, || match accept() {
                Ok(stream) => Ok(Some(stream)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
                Err(error) => Err(error.into()),
            })
        };
        pattern::take(next()?, UP, bytes).context(name)?;
        pattern::give(next()?, DOWN, bytes).context(name)
    })
}

/// The same for TCP at that address of the host; the port is told.
pub fn serve_tcp(address: &str, bytes: u64) -> Result<(u16, JoinHandle<Result<()>>)> {
    let listener = TcpListener::bind((address, 0))?;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let server = serve("tcp", bytes, move || {
        let (stream, _) = listener.accept()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    });
    Ok((port, server))
}

/// Runs a program of the host.
fn command(words: &str) -> Result<()> {
    let mut words = words.split_whitespace();
    let mut command = Command::new(words.next().context("no program")?);
    let output = command.args(words).output()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {errors}");
    Ok(())
}

/// A TAP of the host with an address, which goes when this is dropped.
pub struct HostTap {
    name: &'static str,
}

impl HostTap {
    /// A TAP of that name, with an address in a network of 24 bits; no other test has either.
    pub fn new(name: &'static str, address: &str) -> Result<Self> {
        command(&format!("tunctl -t {name}"))?;
        let this = Self { name };
        command(&format!("ip addr add {address}/24 dev {name}"))?;
        command(&format!("ip link set {name} up"))?;
        Ok(this)
    }
}

impl Drop for HostTap {
    fn drop(&mut self) {
        // The next test that makes it says what is wrong.
        let _ = command(&format!("tunctl -d {}", self.name));
    }
}
