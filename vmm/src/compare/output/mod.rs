//! `--out DIR`: the report, a line of CSV for each path, charts, and a page that shows them all.
//!
//! | file | what is in it |
//! |---|---|
//! | `results.json` | what `--report` writes |
//! | `results.csv` | a line for each path of each workload |
//! | `WORKLOAD-CHART.svg` | `time`, `exits`, `split`, `latency` |
//! | `index.html` | all of it, in one file that needs no other |
//!
//! A file of such a name is replaced as a whole; others in the folder stay as they are.

mod csv;
mod page;

use super::chart::{self, Chart};
use super::report::Report;
use super::session::CompareError;
use crate::output::files::Folder;
use std::path::PathBuf;

/// Writes all files to `folder`; the page that shows them.
pub(super) fn write(folder: &Folder, report: &Report<'_>) -> Result<PathBuf, CompareError> {
    folder.put(RESULTS, &report.json().map_err(CompareError::Host)?)?;
    folder.put("results.csv", &csv::lines(report.workloads))?;
    let mut charts: Vec<Vec<Chart>> = Vec::new();
    for comparison in report.workloads {
        let drawn = chart::charts(comparison).map_err(CompareError::Chart)?;
        for chart in &drawn {
            let name = format!("{}-{}.svg", comparison.workload, chart.kind);
            folder.put(&name, &chart.svg)?;
        }
        charts.push(drawn);
    }
    Ok(folder.put(PAGE, &page::page(report, &charts))?)
}

const RESULTS: &str = "results.json";
const PAGE: &str = "index.html";

#[cfg(test)]
mod tests;
