//! [`Comparison`]: what came of the paths of a workload, and how they stand to each other.

use super::figures::{self, Figures};
use super::plan::Run;
use super::session::{Sample, Samples};
use super::workload::Model;
use abi::metric::ABSENT;
use abi::record::Outcome;
use serde::Serialize;

/// A path beside the one that it is measured by, in operations a second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Ratio {
    /// It is that path.
    Baseline,
    /// No difference beyond the spread of the runs.
    Same,
    /// So many times as many.
    Times(f64),
}

/// What came of a path.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct PathResult {
    /// Its name.
    pub(super) path: &'static str,
    /// What it is.
    pub(super) about: &'static str,
    /// Who makes what it goes to.
    pub(super) model: Model,
    /// How often each byte is moved.
    pub(super) copies: Option<u8>,
    /// Accesses an operation by the book, doorbells among them.
    pub(super) textbook_accesses: Option<u64>,
    /// Beside the baseline, where both have figures.
    pub(super) ratio: Option<Ratio>,
    /// Its figures, or what spoilt them.
    #[serde(flatten)]
    pub(super) outcome: PathOutcome,
}

/// See [`PathResult`].
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum PathOutcome {
    /// Every run went well.
    Figures(Box<Figures>),
    /// A run found something wrong.
    Failed(String),
    /// It is not in this VM: not on this host, or not with so many vCPUs.
    Absent,
}

/// Why a path has no figures.
pub(super) struct Lack<'a> {
    /// In a word or two.
    pub(super) word: &'static str,
    /// At length; may be empty.
    pub(super) why: &'a str,
}

impl Lack<'_> {
    /// Both.
    pub(super) fn text(&self) -> String {
        match self.why {
            "" => self.word.to_owned(),
            why => format!("{}: {why}", self.word),
        }
    }
}

/// What came of a workload.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Comparison {
    /// Its name.
    pub(super) workload: &'static str,
    /// What it is.
    pub(super) about: &'static str,
    /// Its paths, in the order of their table.
    pub(super) paths: Vec<PathResult>,
}

impl PathResult {
    /// Its figures, if it has any.
    pub(super) fn figures(&self) -> Option<&Figures> {
        match &self.outcome {
            PathOutcome::Figures(figures) => Some(figures),
            _ => None,
        }
    }

    /// What stands in the place of figures, and the reason.
    pub(super) fn lack(&self) -> Option<Lack<'_>> {
        match &self.outcome {
            PathOutcome::Figures(_) => None,
            PathOutcome::Failed(why) => Some(Lack {
                word: "FAILED",
                why,
            }),
            PathOutcome::Absent => Some(Lack {
                word: "not in this VM",
                why: "",
            }),
        }
    }
}

impl Comparison {
    /// Paths with figures.
    pub(super) fn measured(&self) -> impl Iterator<Item = (&PathResult, &Figures)> {
        let paths = self.paths.iter();
        paths.filter_map(|path| Some((path, path.figures()?)))
    }

    /// What the others are measured by: the best that is emulated, or else the slowest of all.
    fn baseline(&self) -> Option<usize> {
        let time = |path: &PathResult| Some(path.figures()?.operation_ns.median);
        let timed = self.paths.iter().enumerate();
        let timed = timed.filter_map(|(at, path)| Some((at, path.model, time(path)?)));
        let emulated = timed
            .clone()
            .filter(|(_, model, _)| *model == Model::Emulated);
        let best = emulated.min_by(|a, b| a.2.total_cmp(&b.2));
        let chosen = best.or_else(|| timed.max_by(|a, b| a.2.total_cmp(&b.2)));
        chosen.map(|(at, ..)| at)
    }

    /// Sets each path's ratio.
    pub(super) fn relate(&mut self) {
        let Some(baseline) = self.baseline() else {
            return;
        };
        let Some(base) = self.paths[baseline].figures().map(|f| f.operation_ns) else {
            return;
        };
        for (at, path) in self.paths.iter_mut().enumerate() {
            let time = path.figures().map(|figures| figures.operation_ns);
            path.ratio = time.map(|time| match time {
                _ if at == baseline => Ratio::Baseline,
                time if time.overlaps(&base) => Ratio::Same,
                time => Ratio::Times(base.median / time.median),
            });
        }
    }

    /// Names of the paths without figures.
    pub(super) fn failures(&self) -> Vec<String> {
        let failed = self.paths.iter();
        let failed = failed.filter(|path| matches!(path.outcome, PathOutcome::Failed(_)));
        failed
            .map(|path| format!("{} by {}", self.workload, path.path))
            .collect()
    }
}

/// Sorts the samples by workload and path.
pub(super) fn compare(runs: &[Run], cpus: u8, samples: Samples) -> Vec<Comparison> {
    let devices = samples.devices;
    let mut groups: Vec<(&Run, Vec<Sample>)> = Vec::new();
    for (run, sample) in runs.iter().zip(samples.samples) {
        let same = |(other, _): &&mut (&Run, Vec<Sample>)| {
            other.workload.name == run.workload.name && other.path.name == run.path.name
        };
        match groups.iter_mut().find(same) {
            Some((_, group)) => group.push(sample),
            None => groups.push((run, vec![sample])),
        }
    }
    let mut comparisons: Vec<Comparison> = Vec::new();
    for (run, group) in groups {
        let bytes = figures::operation_bytes(&group).unwrap_or(0);
        let textbook = run.path.textbook;
        let path = PathResult {
            path: run.path.name,
            about: run.path.about,
            model: run.path.model,
            copies: run.path.copies,
            textbook_accesses: textbook.map(|book| book.accesses(bytes)),
            ratio: None,
            outcome: outcome(&group, cpus, &devices),
        };
        match comparisons.last_mut() {
            Some(last) if last.workload == run.workload.name => last.paths.push(path),
            _ => comparisons.push(Comparison {
                workload: run.workload.name,
                about: run.workload.about,
                paths: vec![path],
            }),
        }
    }
    comparisons.iter_mut().for_each(Comparison::relate);
    comparisons
}

fn outcome(samples: &[Sample], cpus: u8, devices: &[String]) -> PathOutcome {
    let failed = samples.iter().find(|s| s.check.outcome == Outcome::Fail);
    if let Some(failed) = failed {
        return PathOutcome::Failed(presentable(&failed.check.detail));
    }
    if samples.iter().any(|s| s.check.metrics.contains_key(ABSENT)) {
        return PathOutcome::Absent;
    }
    match figures::figures(samples, cpus, devices) {
        Some(figures) => PathOutcome::Figures(Box::new(figures)),
        None => PathOutcome::Failed("the guest did not say what it measured".to_owned()),
    }
}

/// The longest text of a guest that is shown.
const DETAIL_CHARS: usize = 300;

/// A text of the guest as one line without control characters, which are orders to a terminal.
fn presentable(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = words.join(" ");
    let line = line.chars().filter(|c| !c.is_control());
    line.take(DETAIL_CHARS).collect()
}

#[cfg(test)]
mod tests;
