//! `hostel compare`: the same work over each way to a device, in one VM, and what each way costs.
//!
//! ```text
//!  workload: what is done, by which paths --> plan: runs in turn, as a suite of the guest (image)
//!                                               |
//!      guest: marks where what is measured begins and ends --> meter: exits, processor time
//!                                               |                |
//!                                               v                v
//!               figures: medians and spreads, counts, latency --> result: paths beside each other
//!                                                                        |
//!                    columns, sentence: what is said of them <-----------+
//!                       |                                                |
//!                       v                                                v
//!                     show: on the terminal        output: report, CSV, chart: SVG, a page of all
//! ```
//! Runs of the paths take turns, so that what disturbs the host disturbs all of them alike. A run
//! whose guest program found something wrong spoils its path: no figure of it is shown. Disks are
//! temporary (`disk`), and each network card has a `peer` on its other side.

mod chart;
mod columns;
mod disk;
mod figures;
mod image;
mod latency;
mod meter;
mod output;
mod patience;
mod peer;
mod plan;
mod report;
mod result;
mod sentence;
mod session;
mod show;
mod spread;
#[cfg(test)]
mod testing;
mod workload;

pub use image::Guest;
pub use session::CompareError;

use crate::halt::status;
use crate::output::files::{Folder, ReportFile};
use crate::report::HostReport;
use report::Report;
use result::Comparison;
use std::io::{self, Write};
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
    /// Folder for the results in all their forms.
    pub out: Option<PathBuf>,
    /// Who does the work.
    pub guest: Guest,
}

/// Runs the comparison and shows it; the exit status.
pub fn compare(wishes: &Wishes) -> Result<u8, CompareError> {
    let runs = plan::plan(wishes)?;
    let file = wishes
        .report
        .as_deref()
        .map(ReportFile::create)
        .transpose()?;
    let folder = wishes.out.as_deref().map(Folder::prepare).transpose()?;
    let host = HostReport::probed();
    let samples = session::run(&runs, wishes.cpus, &wishes.guest, &host)?;
    let comparisons = result::compare(&runs, wishes.cpus, samples);
    let mut out = String::new();
    for comparison in &comparisons {
        show::table(&mut out, comparison);
        out.push('\n');
    }
    // A closed pipe is the reader's wish.
    let _ = io::stdout().write_all(out.as_bytes());
    if file.is_some() || folder.is_some() {
        let report = Report {
            hostel: env!("CARGO_PKG_VERSION"),
            host,
            guest: wishes.guest.name(),
            cpus: wishes.cpus,
            runs: wishes.runs,
            workloads: &comparisons,
        };
        if let Some(file) = file {
            let written = report.json().and_then(|text| file.write(&text));
            written.map_err(CompareError::Host)?;
        }
        if let Some(folder) = folder {
            let page = output::write(&folder, &report)?;
            eprintln!("hostel: the page is {}", page.display());
        }
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
