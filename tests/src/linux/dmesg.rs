//! What a guest's kernel complains about: lines of level warning and above.
//!
//! `allowed.txt` keeps the lines that are no fault of the machine, each with its reason.

use anyhow::{Context, Result, ensure};

/// `words of the line | reason`, one a line.
const ALLOWED: &str = include_str!("allowed.txt");
/// A warning with registers and backtrace counts as one line, from this to that.
const TRACE_START: &str = "[ cut here ]";
const TRACE_END: &str = "[ end trace";

/// Complaints that a guest has printed and that are not allowed.
pub fn complaints(output: &str) -> Result<Vec<String>> {
    let (_, text) = output
        .split_once("@dmesg")
        .context("the guest did not get to dmesg")?;
    let (text, _) = text.split_once("@end").context("dmesg is cut short")?;
    let allowed: Vec<&str> = allowed().collect();
    let all = lines(text).into_iter();
    Ok(all
        .filter(|line| !allowed.iter().any(|words| line.contains(words)))
        .collect())
}

/// The kernel has complained about nothing that is not allowed.
pub fn is_clean(output: &str) -> Result<()> {
    let complaints = complaints(output)?;
    ensure!(
        complaints.is_empty(),
        "the guest's kernel complains:\n{}",
        complaints.join("\n")
    );
    Ok(())
}

fn allowed() -> impl Iterator<Item = &'static str> {
    let entries = ALLOWED.lines().filter(|line| !line.starts_with('#'));
    entries.filter_map(|line| Some(line.split_once(" | ")?.0.trim()))
}

/// Lines, where a warning and its trace are one.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut in_trace = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match lines.last_mut().filter(|_| in_trace) {
            Some(trace) => *trace = format!("{trace}\n{line}"),
            None => lines.push(line.to_owned()),
        }
        in_trace = (in_trace || line.contains(TRACE_START)) && !line.contains(TRACE_END);
    }
    lines
}
