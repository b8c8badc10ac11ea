//! [`Parsed`]: a record on the host's side.

use super::{Outcome, Subsystem};
use std::collections::BTreeMap;

/// A record as the host reads it; the fields are those of [`super::Record`].
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "said at Record")]
pub enum Parsed {
    Boot {
        cpus: u64,
        memory_bytes: u64,
        clock: String,
        sched: String,
        replacement: String,
    },
    Plan {
        checks: u64,
    },
    Start {
        id: String,
    },
    Check {
        id: String,
        subsystem: Subsystem,
        outcome: Outcome,
        detail: String,
        metrics: BTreeMap<String, u64>,
    },
    Line {
        id: String,
        text: String,
    },
    Series {
        id: String,
        name: String,
        labels: Vec<String>,
        columns: Vec<String>,
        rows: Vec<u64>,
    },
    StreamBegin {
        id: String,
        bytes: u64,
    },
    StreamEnd {
        id: String,
        crc32: u32,
    },
    Killed {
        pid: u64,
        program: String,
        cause: String,
        detail: u64,
        rip: u64,
    },
    End {
        passed: u64,
        failed: u64,
    },
    Panic {
        message: String,
        cpu: u64,
        registers: BTreeMap<String, u64>,
        backtrace: Vec<u64>,
    },
}

impl Parsed {
    /// The record whose JSON text is `json`, without RS and LF.
    pub fn from_json(json: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(json)
    }
}
