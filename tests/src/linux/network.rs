//! The host's side of a Linux guest's network: a TAP, and a program that checks what comes.

use crate::{host, pattern};
use anyhow::{Context, Result, ensure};
use std::io::ErrorKind;
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longest wait on a host of common speed.
const DEADLINE: Duration = Duration::from_secs(60);

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

/// Takes bytes from a guest's first connection and gives as many to its second: seeds up and down,
/// and how many.
///
/// `accept` does not wait: a guest that never comes ends the test.
pub fn serve<S: std::io::Read + std::io::Write>(
    name: &'static str,
    (up, down, bytes): (u64, u64, u64),
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
        pattern::take(next()?, up, bytes).context(name)?;
        pattern::give(next()?, down, bytes).context(name)
    })
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
pub struct HostTap(&'static str);

impl HostTap {
    /// Makes it, up, with a network of 256 addresses around its own.
    pub fn new(name: &'static str, address: &str) -> Result<Self> {
        command(&format!("tunctl -t {name}"))?;
        let this = Self(name);
        command(&format!("ip addr add {address}/24 dev {name}"))?;
        command(&format!("ip link set {name} up"))?;
        Ok(this)
    }
}

impl Drop for HostTap {
    fn drop(&mut self) {
        // The next test that makes it says what is wrong.
        let _ = command(&format!("tunctl -d {}", self.0));
    }
}
