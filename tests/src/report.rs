//! [`Report`]: what `--report` wrote, with the questions that tests ask it.

use anyhow::{Context, Result};
use serde_json::Value;

/// A report, as read.
#[derive(Clone, Debug)]
pub struct Report {
    /// The whole of it.
    pub json: Value,
}

impl Report {
    /// Reads one.
    pub fn parse(text: &[u8]) -> Result<Self> {
        let json = serde_json::from_slice(text).context("the report is no JSON")?;
        Ok(Self { json })
    }

    /// Name of the reason for which the VM ended.
    pub fn halt(&self) -> &str {
        self.json["halt"]["reason"].as_str().unwrap_or("")
    }

    /// Exits of a kind at a device.
    pub fn exits(&self, kind: &str, device: &str) -> u64 {
        let is_kind = |row: &Value| row["kind"] == kind;
        self.count("exits", |row| is_kind(row) && row["device"] == device)
    }

    /// Writes to a device that have waited for an exit.
    pub fn coalesced(&self, device: &str) -> u64 {
        self.count("coalesced", |row| row["device"] == device)
    }

    /// What a device's driver did that was ignored.
    pub fn refused(&self, device: &str) -> u64 {
        self.count("refused", |row| row["device"] == device)
    }

    /// Sum of the counts of those rows of a table.
    fn count(&self, table: &str, has: impl Fn(&Value) -> bool) -> u64 {
        let rows = self.json[table].as_array().into_iter().flatten();
        rows.filter(|row| has(row))
            .map(|row| row["count"].as_u64().unwrap_or(0))
            .sum()
    }

    /// A point of the timeline in microseconds, if it was reached.
    pub fn timeline_us(&self, point: &str) -> Option<u64> {
        self.json["timeline_us"][point].as_u64()
    }

    /// The networks, each with its card's address.
    pub fn networks(&self) -> Vec<String> {
        let networks = self.json["vm"]["networks"].as_array().into_iter().flatten();
        let names = networks.filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    }

    /// Name and outcome of each check.
    pub fn checks(&self) -> Vec<(&str, &str)> {
        let checks = self.json["checks"].as_array().into_iter().flatten();
        checks
            .filter_map(|check| Some((check["id"].as_str()?, check["outcome"].as_str()?)))
            .collect()
    }
}
