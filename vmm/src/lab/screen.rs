//! [`Screen`]: what the user sees while experiments are done: a bar of all runs, and each
//! experiment's table when it and those before it are done.

use super::experiment::Experiment;
use super::result::Outcome;
use super::show;
use crate::suite::{CheckResult, Progress};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Tables go to standard output, the bar to standard error.
pub(super) struct Screen(Arc<Shared>);

struct Shared {
    bar: ProgressBar,
    /// Which run of each experiment is under way.
    running: Mutex<BTreeMap<String, String>>,
    tables: Mutex<Tables>,
}

/// Those that wait for one before them, and how many are printed.
#[derive(Default)]
struct Tables {
    waiting: BTreeMap<usize, String>,
    printed: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Screen {
    /// A screen for these; without a terminal there is no bar.
    pub(super) fn new(experiments: &[Experiment]) -> Self {
        let runs: usize = experiments.iter().map(|one| one.runs.len()).sum();
        let target = ProgressDrawTarget::stderr();
        let bar = ProgressBar::with_draw_target(Some(runs as u64), target);
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {wide_msg}");
        bar.set_style(style.expect("the template is right"));
        Self(Arc::new(Shared {
            bar,
            running: Mutex::default(),
            tables: Mutex::default(),
        }))
    }

    /// Who is told of an experiment's runs, and what its guest writes beside them.
    pub(super) fn progress(&self, experiment: &Experiment) -> (Box<dyn Progress>, Text) {
        let text = Text::default();
        let progress = Runs {
            shared: self.0.clone(),
            experiment: experiment.name.clone(),
            text: text.clone(),
        };
        (Box::new(progress), text)
    }

    /// The runs of an experiment are done once more.
    pub(super) fn again(&self, experiment: &Experiment) {
        self.0.bar.inc_length(experiment.runs.len() as u64);
    }

    /// Prints the table of the experiment in that place, as soon as those before it are printed.
    pub(super) fn show(&self, at: usize, outcome: &Outcome<'_>) {
        let mut table = String::new();
        show::outcome(&mut table, outcome);
        let mut tables = lock(&self.0.tables);
        tables.waiting.insert(at, table);
        loop {
            let next = tables.printed;
            let Some(table) = tables.waiting.remove(&next) else {
                break;
            };
            tables.printed += 1;
            self.0.bar.suspend(|| {
                let mut out = io::stdout().lock();
                // A closed pipe is the reader's wish.
                let _ = out.write_all(table.as_bytes()).and_then(|()| out.flush());
            });
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.0.bar.finish_and_clear();
    }
}

/// Most that is kept of what a guest writes.
const MOST_TEXT: usize = 16 << 10;

/// What a guest has written that is no record.
#[derive(Clone, Default)]
pub(super) struct Text(Arc<Mutex<Vec<u8>>>);

impl Text {
    pub(super) fn take(&self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut *lock(&self.0))).into_owned()
    }
}

/// The runs of one experiment.
struct Runs {
    shared: Arc<Shared>,
    experiment: String,
    text: Text,
}

impl Progress for Runs {
    fn text(&mut self, bytes: &[u8]) {
        let mut text = lock(&self.text.0);
        let room = MOST_TEXT.saturating_sub(text.len()).min(bytes.len());
        text.extend(&bytes[..room]);
    }

    fn started(&mut self, id: &str) {
        let mut running = lock(&self.shared.running);
        running.insert(self.experiment.clone(), id.to_owned());
        let names = running.iter().map(|(one, run)| format!("{one}: {run}"));
        let message = names.collect::<Vec<_>>().join(", ");
        self.shared.bar.set_message(message);
    }

    fn ended(&mut self, _: &CheckResult) {
        lock(&self.shared.running).remove(&self.experiment);
        self.shared.bar.inc(1);
    }

    fn note(&mut self, line: &str) {
        self.text(format!("{line}\n").as_bytes());
    }
}
