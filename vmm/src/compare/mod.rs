//! `hostel compare`: the same work over each way to a device, in one VM, and what each way costs.
//!
//! ```text
//!  workload: what is done, by which paths --> plan: runs in turn, as a suite of the built-in guest
//!                                               |
//!      guest: marks where what is measured begins and ends --> meter: exits, processor time
//!                                               |                |
//!                                               v                v
//!                                      result: medians and spreads --> show: tables, sentences
//! ```
//! Runs of the paths take turns, so that what disturbs the host disturbs all of them alike. A run
//! whose guest program found something wrong spoils its path: no figure of it is shown.

mod disk;
mod meter;
mod peer;
mod plan;
mod result;
mod session;
mod show;
mod workload;

pub use session::CompareError;

use crate::halt::status;
use crate::report::HostReport;
use result::Comparison;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

/// What the user asked for.
pub struct Wishes {
    /// Names of workloads; all without any.
    pub workloads: Vec<String>,
    /// Names of paths; all without any.
    pub paths: Vec<String>,
    /// Runs of each path.
    pub runs: u32,
    /// vCPUs.
    pub cpus: u8,
    /// File for the results as JSON.
    pub report: Option<PathBuf>,
}

/// What `--report` writes.
#[derive(Serialize)]
struct Report<'a> {
    hostel: &'static str,
    host: HostReport,
    cpus: u8,
    runs: u32,
    workloads: &'a [Comparison],
}

/// Runs the comparison and shows it; the exit status.
pub fn compare(wishes: &Wishes) -> Result<u8, CompareError> {
    let report = match &wishes.report {
        Some(path) => Some(File::create(path).map_err(|source| CompareError::Report {
            path: path.display().to_string(),
            source,
        })?),
        None => None,
    };
    let runs = plan::plan(wishes)?;
    let samples = session::run(&runs, wishes.cpus)?;
    let comparisons = result::compare(&runs, samples);
    let mut out = String::new();
    for comparison in &comparisons {
        show::table(&mut out, comparison);
        out.push('\n');
    }
    // A closed pipe is the reader's wish.
    let _ = io::stdout().write_all(out.as_bytes());
    if let Some(file) = report {
        let report = Report {
            hostel: env!("CARGO_PKG_VERSION"),
            host: HostReport::probed(),
            cpus: wishes.cpus,
            runs: wishes.runs,
            workloads: &comparisons,
        };
        let mut file = BufWriter::new(file);
        let written = serde_json::to_writer_pretty(&mut file, &report).map_err(io::Error::from);
        let written = written.and_then(|()| file.flush());
        written.map_err(CompareError::Host)?;
    }
    let spoilt: Vec<_> = comparisons.iter().flat_map(Comparison::failures).collect();
    if spoilt.is_empty() {
        return Ok(status::OK);
    }
    eprintln!(
        "hostel: no figures of {}; the tables above say why",
        spoilt.join(", ")
    );
    Ok(status::FAILED)
}

/// What workloads and paths there are, a line each.
pub fn list() -> String {
    show::list()
}
