//! [`Outcome`]: what an experiment came to: figures of its runs, what holds, the sentence.

use super::experiment::{Expected, Experiment, Run};
use super::file::Setting;
use super::formula::{Checked, Values};
use super::host::Host;
use super::vm::{Ended, VmError};
use crate::suite::{CheckResult, Said};
use abi::record::Outcome as CheckOutcome;
use std::collections::BTreeMap;
use std::time::Duration;

/// See the module.
pub(super) struct Outcome<'e> {
    pub(super) experiment: &'e Experiment,
    pub(super) runs: Vec<RunResult<'e>>,
    pub(super) verdicts: Vec<Verdict<'e>>,
    pub(super) sentence: String,
    /// Why there are no results, or not of all runs.
    pub(super) trouble: Option<String>,
    /// What the guest wrote beside its results.
    pub(super) text: String,
    /// How often it was done.
    pub(super) tries: u32,
    pub(super) took: Duration,
}

/// What a run came to.
pub(super) struct RunResult<'e> {
    pub(super) run: &'e Run,
    /// What was wrong with it.
    pub(super) failed: Option<String>,
    /// By name: what it reported, what was derived of that.
    pub(super) figures: BTreeMap<String, f64>,
    pub(super) said: Said,
}

/// What was expected, and what was found.
pub(super) struct Verdict<'e> {
    pub(super) expected: &'e Expected,
    pub(super) checked: Checked,
    /// Why it does not count here, if it does not.
    pub(super) unjudged: Option<&'static str>,
}

impl<'e> Outcome<'e> {
    /// Of what a VM has given.
    pub(super) fn of(
        experiment: &'e Experiment,
        ended: Result<Ended, VmError>,
        text: String,
    ) -> Self {
        let (checks, trouble) = match ended {
            Ok(Ended { checks, trouble }) => (checks, trouble),
            Err(error) => (Vec::new(), Some(crate::chain(&error))),
        };
        let mut checks: BTreeMap<String, CheckResult> = checks
            .into_iter()
            .map(|check| (check.id.clone(), check))
            .collect();
        let runs = experiment.runs.iter().filter_map(|run| {
            let check = checks.remove(&run.name)?;
            Some(RunResult::of(experiment, run, check))
        });
        let runs: Vec<RunResult<'e>> = runs.collect();
        let host = Host::here();
        let verdicts = experiment.expected.iter().map(|expected| Verdict {
            expected,
            unjudged: host.lacks(expected.condition.need, experiment.cpus),
            checked: expected.condition.check(&View {
                experiment,
                runs: &runs,
                own: expected.run.map(|at| experiment.runs[at].name.as_str()),
            }),
        });
        let verdicts = verdicts.collect();
        let view = View {
            experiment,
            runs: &runs,
            own: None,
        };
        let sentence = experiment.sentence.said(&view);
        Self {
            experiment,
            verdicts,
            sentence,
            runs,
            trouble,
            text,
            tries: 1,
            took: Duration::ZERO,
        }
    }

    /// Whether all that is expected holds, and no run has failed.
    pub(super) fn came_out(&self) -> bool {
        self.trouble.is_none()
            && self.runs.iter().all(|run| run.failed.is_none())
            && self.broken().next().is_none()
    }

    /// What does not hold.
    pub(super) fn broken(&self) -> impl Iterator<Item = &Verdict<'e>> {
        let judged = self.verdicts.iter();
        let judged = judged.filter(|verdict| verdict.unjudged.is_none());
        judged.filter(|verdict| !verdict.checked.holds)
    }
}

impl Verdict<'_> {
    /// What was expected, with the run that it is expected of.
    pub(super) fn text(&self, experiment: &Experiment) -> String {
        match self.expected.run {
            None => self.expected.text.clone(),
            Some(at) => format!("{}: {}", experiment.runs[at].name, self.expected.text),
        }
    }
}

impl<'e> RunResult<'e> {
    fn of(experiment: &'e Experiment, run: &'e Run, check: CheckResult) -> Self {
        let failed = (check.outcome == CheckOutcome::Fail).then_some(check.detail);
        let metrics = check.metrics.into_iter();
        let mut figures: BTreeMap<String, f64> =
            metrics.map(|(name, value)| (name, value as f64)).collect();
        if failed.is_none() {
            derive(experiment, run, &mut figures);
        }
        Self {
            run,
            failed,
            figures,
            said: check.said,
        }
    }
}

/// Adds the experiment's own figures, of those before them and of the run's values.
fn derive(experiment: &Experiment, run: &Run, figures: &mut BTreeMap<String, f64>) {
    for (name, expression) in &experiment.figures {
        let given = Given {
            experiment,
            run,
            figures,
        };
        if let Ok(value) = expression.value(&given) {
            figures.insert(name.clone(), value);
        }
    }
}

/// What a figure is derived of.
struct Given<'a> {
    experiment: &'a Experiment,
    run: &'a Run,
    figures: &'a BTreeMap<String, f64>,
}

impl Values for Given<'_> {
    fn figure(&self, _: Option<&str>, name: &str) -> Result<f64, String> {
        if let Some(value) = self.figures.get(name) {
            return Ok(*value);
        }
        let mut settings = self.run.each.iter().chain(&self.experiment.settings);
        match settings.find(|(known, _)| known == name) {
            Some((_, Setting::Number(number))) => Ok(*number as f64),
            _ => Err(format!("there is no figure {name}")),
        }
    }

    fn says(&self, _: Option<&str>, _: &str) -> Result<bool, String> {
        Ok(false)
    }
}

/// What conditions and the sentence look at.
struct View<'a, 'e> {
    experiment: &'e Experiment,
    runs: &'a [RunResult<'e>],
    own: Option<&'a str>,
}

impl View<'_, '_> {
    fn run(&self, name: Option<&str>) -> Result<&RunResult<'_>, String> {
        let name = name.or(self.own).unwrap_or_default();
        let found = self.runs.iter().find(|run| run.run.name == name);
        let found = found.ok_or_else(|| format!("there is no result of {name}"))?;
        match found.failed {
            None => Ok(found),
            Some(_) => Err(format!("{name} has failed")),
        }
    }
}

impl Values for View<'_, '_> {
    fn figure(&self, run: Option<&str>, name: &str) -> Result<f64, String> {
        let run = self.run(run)?;
        let given = Given {
            experiment: self.experiment,
            run: run.run,
            figures: &run.figures,
        };
        let value = given.figure(None, name);
        value.map_err(|_| format!("{} has no figure {name}", run.run.name))
    }

    fn says(&self, run: Option<&str>, text: &str) -> Result<bool, String> {
        let lines = &self.run(run)?.said.lines;
        Ok(lines.iter().any(|line| line.contains(text)))
    }
}

#[cfg(test)]
mod tests;
