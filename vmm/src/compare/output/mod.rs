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
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A folder that can be written to.
pub(super) struct Folder(PathBuf);

impl Folder {
    /// Makes the folder, if it is not there, and tries to write to it.
    pub(super) fn prepare(path: &Path) -> Result<Self, CompareError> {
        let folder = Self(path.to_owned());
        let made = fs::create_dir_all(path);
        let tried = made.and_then(|()| fs::write(folder.draft(RESULTS), []));
        let tried = tried.and_then(|()| fs::remove_file(folder.draft(RESULTS)));
        tried.map_err(|source| folder.error(source))?;
        Ok(folder)
    }

    fn error(&self, source: io::Error) -> CompareError {
        CompareError::Folder {
            path: self.0.display().to_string(),
            source,
        }
    }

    /// Where a file is until it is whole.
    fn draft(&self, name: &str) -> PathBuf {
        self.0.join(format!(".{name}.part"))
    }

    fn put(&self, name: &str, text: &str) -> Result<(), CompareError> {
        let draft = self.draft(name);
        let written = fs::write(&draft, text);
        let placed = written.and_then(|()| fs::rename(&draft, self.0.join(name)));
        placed.map_err(|source| {
            // What is left of it is of no use.
            let _ = fs::remove_file(&draft);
            self.error(source)
        })
    }

    /// Writes all files; the page that shows them.
    pub(super) fn write(&self, report: &Report<'_>) -> Result<PathBuf, CompareError> {
        self.put(RESULTS, &report.json().map_err(|error| self.error(error))?)?;
        self.put("results.csv", &csv::lines(report.workloads))?;
        let mut charts: Vec<Vec<Chart>> = Vec::new();
        for comparison in report.workloads {
            let drawn = chart::charts(comparison).map_err(CompareError::Chart)?;
            for chart in &drawn {
                let name = format!("{}-{}.svg", comparison.workload, chart.kind);
                self.put(&name, &chart.svg)?;
            }
            charts.push(drawn);
        }
        self.put(PAGE, &page::page(report, &charts))?;
        Ok(self.0.join(PAGE))
    }
}

const RESULTS: &str = "results.json";
const PAGE: &str = "index.html";

#[cfg(test)]
mod tests;
