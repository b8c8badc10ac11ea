//! `--report FILE` and `--out DIR`: results as JSON, CSV, charts, and a page that shows them all.
//!
//! | file | what is in it |
//! |---|---|
//! | `results.json` | what `--report` writes |
//! | `results.csv` | a line for each figure of each run |
//! | `EXPERIMENT-NUMBER[-RUN].svg` | its charts, in the order of its file |
//! | `index.html` | all of it, in one file that needs no other |
//!
//! A file of such a name is replaced as a whole; others in the folder stay as they are.

mod csv;
mod page;
mod report;

use super::LabError;
use super::chart;
use crate::output::files::Folder;
pub(super) use report::Report;
use std::path::PathBuf;

/// Writes all files to `folder`; the page that shows them.
pub(super) fn write(folder: &Folder, report: &Report<'_>) -> Result<PathBuf, LabError> {
    folder.put("results.json", &report.json().map_err(LabError::Host)?)?;
    folder.put("results.csv", &csv::lines(report.outcomes))?;
    let mut charts = Vec::new();
    for outcome in report.outcomes {
        let drawn = chart::charts(outcome).map_err(LabError::Chart)?;
        for chart in &drawn {
            let name = format!("{}-{}.svg", outcome.experiment.name, chart.name);
            folder.put(&name, &chart.svg)?;
        }
        charts.push(drawn);
    }
    Ok(folder.put("index.html", &page::page(report, &charts))?)
}

#[cfg(test)]
mod tests;
