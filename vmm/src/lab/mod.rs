//! `hostel lab`: experiments of an operating-systems course, done for real in VMs.
//!
//! ```text
//!  resources/lab/NAME.toml ──file──> shape ──experiment──> runs, formulas, what is expected
//!                                                            │
//!     schedule: several VMs at once, as processors allow <───┘
//!        │  vm: one VM of the built-in guest, its suite the runs; peer: a second one beside it
//!        v
//!     result: figures of each run, what holds of them, the sentence
//!        │
//!        ├──> show: a table on the terminal
//!        └──> output: JSON, CSV, charts as SVG (chart), a page of all
//! ```
//! An experiment is data: which programs of the guest run with which arguments, which figures are
//! made of what they report, what must hold of them. The programs are `guest/user/src/bin/lab_*`;
//! they report with [`abi::record`], as checks of a suite do. [`formula`] is the little language of
//! figures, conditions and sentences.
//!
//! # An experiment's file
//! | table | key | what it is |
//! |---|---|---|
//! | | `title`, `about` | a line; some sentences |
//! | | `family` | `scheduling`, `synchronisation`, `communication` or `memory` |
//! | | `cpus`, `memory_mib` | vCPUs (1) and MiB of memory (128) |
//! | | `timeout_s` | seconds that a run may take (60) |
//! | | `tries` | how often all is done at most until it comes out (1): for times on a busy host |
//! | | `append` | words for the guest's kernel |
//! | `[set]` | NAME | what `--set` changes: whole numbers or text |
//! | `[short]` | NAME | what takes its place in the short form |
//! | `[[run]]` | `name`, `program`, `args` | a run; `{NAME}` is a value of `each` or `[set]` |
//! | | `each` | lists of values: a run for every combination |
//! | | `expect` | what must hold of each of these runs, its own figures by name |
//! | `[peer]` | `program`, `args` | what a second VM does meanwhile, joined to the first by a network |
//! | `[figures]` | NAME | a formula of a run's metrics, values and figures before it |
//! | `[table]` | `columns` | figures to show |
//! | `[[chart]]` | `kind` | `bars` (`y`), `curve` (`x`, `y`, `by`, `x_scale`, `y_scale`), `gantt` and `histogram` (`series`) |
//! | `[verdict]` | `expect`, `sentence` | what must hold, by `RUN.FIGURE`, of hosts that are what it needs (`if parallel`, `if native`); what is said in the end |

mod catalog;
mod chart;
mod experiment;
mod file;
mod formula;
mod host;
mod number;
mod output;
mod peer;
mod result;
mod schedule;
mod screen;
mod show;
#[cfg(test)]
mod testing;
mod vm;

pub use catalog::CatalogError;
pub use file::FileError;

use crate::halt::{HaltReason, status};
use crate::output::files::{Folder, FolderError, ReportError, ReportFile};
use crate::signals::Signals;
use experiment::{Changes, Experiment};
use output::Report;
use result::Outcome;
use schedule::Limits;
use std::io;
use std::path::PathBuf;
use vm::Stop;

/// What the user asked for.
pub struct Wishes {
    /// Names of experiments or families, or paths of files; all without any.
    pub experiments: Vec<String>,
    /// vCPUs of each VM, in the place of what its file says.
    pub cpus: Option<u8>,
    /// Settings and their values.
    pub set: Vec<(String, String)>,
    /// Whether the short form is wanted.
    pub short: bool,
    /// VMs at once; as many as there are processors for without.
    pub at_once: Option<usize>,
    /// File for the results as JSON.
    pub report: Option<PathBuf>,
    /// Folder for the results in all their forms.
    pub out: Option<PathBuf>,
}

/// Why experiments are not done, or nothing comes of them.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// There is no such experiment.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The report cannot be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// The folder cannot be written to.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A chart could not be drawn.
    #[error("a chart could not be drawn: {0}")]
    Chart(String),
    /// A signal came.
    #[error("the laboratory was closed before the last experiment: {0}")]
    Ended(HaltReason),
    /// The host failed.
    #[error("the host failed")]
    Host(#[source] io::Error),
}

impl LabError {
    /// Exit status of the process.
    pub fn status(&self) -> u8 {
        match self {
            Self::Catalog(_) | Self::Report(_) | Self::Folder(_) => status::USAGE,
            Self::Chart(_) | Self::Host(_) => status::HOST,
            Self::Ended(halt) => halt.status(),
        }
    }
}

/// Does the experiments and shows them; the exit status.
pub fn lab(wishes: &Wishes) -> Result<u8, LabError> {
    let changes = Changes {
        short: wishes.short,
        set: wishes.set.clone(),
        cpus: wishes.cpus,
    };
    let experiments = catalog::choose(&wishes.experiments, &changes)?;
    let file = wishes
        .report
        .as_deref()
        .map(ReportFile::create)
        .transpose()?;
    let folder = wishes.out.as_deref().map(Folder::prepare).transpose()?;
    let stop = Stop::new(Signals::take().map_err(LabError::Host)?);
    let outcomes = run(&experiments, &Limits::of_host(wishes.at_once), &stop)?;
    let report = Report::new(&outcomes, wishes.short);
    if let Some(file) = file {
        let written = report.json().and_then(|text| file.write(&text));
        written.map_err(LabError::Host)?;
    }
    if let Some(folder) = folder {
        let page = output::write(&folder, &report)?;
        eprintln!("hostel: the page is {}", page.display());
    }
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|outcome| !outcome.came_out())
        .map(|outcome| outcome.experiment.name.as_str())
        .collect();
    if failed.is_empty() {
        return Ok(status::OK);
    }
    eprintln!(
        "hostel: not as expected: {}; what was found is above",
        failed.join(", ")
    );
    Ok(status::FAILED)
}

/// Does all of them, and prints each when those before it are printed.
fn run<'e>(
    experiments: &'e [Experiment],
    limits: &Limits,
    stop: &Stop,
) -> Result<Vec<Outcome<'e>>, LabError> {
    let screen = screen::Screen::new(experiments);
    let outcomes = schedule::run(experiments, limits, stop, &screen);
    match stop.signal() {
        Some(number) => Err(LabError::Ended(HaltReason::Signal(number))),
        None => Ok(outcomes),
    }
}

/// What experiments there are, a line each.
pub fn list() -> Result<String, LabError> {
    let experiments = catalog::choose(&[], &Changes::default())?;
    Ok(show::list(&experiments))
}
