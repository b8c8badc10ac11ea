//! [`Report`]: a comparison as JSON.

use super::result::Comparison;
use crate::report::HostReport;
use serde::Serialize;
use std::io;

/// What `--report` writes.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    /// Version.
    pub(super) hostel: &'static str,
    /// What it ran on.
    pub(super) host: HostReport,
    /// `built-in`, or the kernel's file.
    pub(super) guest: String,
    /// vCPUs.
    pub(super) cpus: u8,
    /// Runs of each path.
    pub(super) runs: u32,
    /// What came of them.
    pub(super) workloads: &'a [Comparison],
}

impl Report<'_> {
    /// As text that ends in a new line.
    pub(super) fn json(&self) -> io::Result<String> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }
}
