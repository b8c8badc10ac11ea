//! [`Report`]: outcomes as JSON.

use crate::lab::file::Setting;
use crate::lab::result::{Outcome, RunResult};
use crate::report::HostReport;
use crate::suite::Said;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;

/// What is reported of.
pub(in crate::lab) struct Report<'a> {
    pub(super) host: HostReport,
    pub(super) short: bool,
    pub(super) outcomes: &'a [Outcome<'a>],
}

#[derive(Serialize)]
struct Whole<'a> {
    hostel: &'static str,
    host: &'a HostReport,
    /// Whether it was the short form.
    short: bool,
    experiments: Vec<One<'a>>,
}

#[derive(Serialize)]
struct One<'a> {
    name: &'a str,
    title: &'a str,
    family: &'static str,
    cpus: u8,
    settings: BTreeMap<&'a str, &'a Setting>,
    /// Whether all that is expected holds.
    came_out: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<&'a str>,
    tries: u32,
    took_ms: u128,
    sentence: &'a str,
    expected: Vec<Expected<'a>>,
    runs: Vec<Run<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
}

#[derive(Serialize)]
struct Expected<'a> {
    text: String,
    holds: bool,
    found: &'a str,
    /// Why it does not count on this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    unjudged: Option<&'static str>,
}

#[derive(Serialize)]
struct Run<'a> {
    name: &'a str,
    values: BTreeMap<&'a str, &'a Setting>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<&'a str>,
    figures: &'a BTreeMap<String, f64>,
    #[serde(flatten)]
    said: &'a Said,
}

impl<'a> Report<'a> {
    /// Of this host.
    pub(in crate::lab) fn new(outcomes: &'a [Outcome<'a>], short: bool) -> Self {
        Self {
            host: HostReport::probed(),
            short,
            outcomes,
        }
    }

    /// As text that ends in a new line.
    pub(in crate::lab) fn json(&self) -> io::Result<String> {
        let whole = Whole {
            hostel: env!("CARGO_PKG_VERSION"),
            host: &self.host,
            short: self.short,
            experiments: self.outcomes.iter().map(one).collect(),
        };
        let mut text = serde_json::to_string_pretty(&whole)?;
        text.push('\n');
        Ok(text)
    }
}

fn by_name(settings: &[(String, Setting)]) -> BTreeMap<&str, &Setting> {
    let settings = settings.iter();
    settings
        .map(|(name, value)| (name.as_str(), value))
        .collect()
}

fn one<'a>(outcome: &'a Outcome<'_>) -> One<'a> {
    let experiment = outcome.experiment;
    let expected = outcome.verdicts.iter().map(|verdict| Expected {
        text: verdict.text(experiment),
        holds: verdict.checked.holds,
        found: &verdict.checked.found,
        unjudged: verdict.unjudged,
    });
    One {
        name: &experiment.name,
        title: &experiment.title,
        family: experiment.family.name(),
        cpus: experiment.cpus,
        settings: by_name(&experiment.settings),
        came_out: outcome.came_out(),
        trouble: outcome.trouble.as_deref(),
        tries: outcome.tries,
        took_ms: outcome.took.as_millis(),
        sentence: &outcome.sentence,
        expected: expected.collect(),
        runs: outcome.runs.iter().map(run).collect(),
        text: &outcome.text,
    }
}

fn run<'a>(run: &'a RunResult<'_>) -> Run<'a> {
    Run {
        name: &run.run.name,
        values: by_name(&run.run.each),
        failed: run.failed.as_deref(),
        figures: &run.figures,
        said: &run.said,
    }
}
