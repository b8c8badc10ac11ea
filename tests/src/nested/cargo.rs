//! Has cargo build what goes into the nested host.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// How `hostel` is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    /// As for a test: quick to build, slow to run.
    Debug,
    /// As for a user.
    Release,
}

/// An executable and the name of its target.
pub(super) struct Executable {
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// Builds `hostel`.
pub(super) fn hostel(profile: Profile) -> Result<PathBuf> {
    let mut args = vec!["build", "--package", "vmm", "--bin", "hostel"];
    args.extend((profile == Profile::Release).then_some("--release"));
    let built = executables(&args, "bin")?;
    let hostel = built.into_iter().next().context("cargo names no hostel")?;
    Ok(hostel.path)
}

/// Builds the program that runs inside of Linux guests.
pub(super) fn agent() -> Result<PathBuf> {
    let mut args = vec!["rustc", "--package", "tests", "--bin", "agent", "--"];
    args.extend(["-C", "target-feature=+crt-static", "-C", "opt-level=3"]);
    args.extend(["-C", "strip=symbols"]);
    let built = executables(&args, "bin")?;
    let agent = built.into_iter().next().context("cargo names no agent")?;
    Ok(agent.path)
}

/// Builds the whole-VM test binaries.
pub(super) fn tests() -> Result<Vec<Executable>> {
    executables(&["test", "--package", "tests", "--no-run"], "test")
}

/// Runs cargo, whose errors go to the terminal; returns executables of targets of that kind.
fn executables(args: &[&str], kind: &str) -> Result<Vec<Executable>> {
    let mut cargo = Command::new(env!("CARGO"));
    let (command, rest) = args.split_first().context("no command")?;
    cargo.args([command, "--quiet", "--message-format"]);
    cargo.arg("json-render-diagnostics").args(rest);
    cargo.current_dir(env!("CARGO_MANIFEST_DIR"));
    cargo.stderr(Stdio::inherit());
    let output = cargo.output().context("cargo cannot be started")?;
    ensure!(output.status.success(), "{cargo:?}: {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text.lines().filter_map(|line| parse(line, kind));
    Ok(messages.collect())
}

fn parse(message: &str, kind: &str) -> Option<Executable> {
    let message: Value = serde_json::from_str(message).ok()?;
    let path = message["executable"].as_str().map(PathBuf::from)?;
    let name = message["target"]["name"].as_str()?.to_owned();
    let kinds = message["target"]["kind"].as_array()?;
    let matches = kinds.iter().any(|one| one == kind);
    matches.then_some(Executable { name, path })
}
