//! A line of CSV for each figure of each run; units are in the figures' names.

use crate::lab::result::{Outcome, RunResult};
use crate::output::csv::{line, number};

const HEAD: [&str; 6] = ["experiment", "family", "run", "outcome", "figure", "value"];

/// Head and lines. A run without figures has a line that says so.
pub(super) fn lines(outcomes: &[Outcome<'_>]) -> String {
    let mut text = line(HEAD.into_iter().map(str::to_owned));
    for outcome in outcomes {
        for run in &outcome.runs {
            if run.failed.is_some() {
                text.push_str(&row(outcome, run, "", None));
                continue;
            }
            for (figure, value) in &run.figures {
                text.push_str(&row(outcome, run, figure, Some(*value)));
            }
        }
    }
    text
}

fn row(outcome: &Outcome<'_>, run: &RunResult<'_>, figure: &str, value: Option<f64>) -> String {
    let experiment = outcome.experiment;
    let state = run.failed.as_ref().map(|why| format!("FAILED: {why}"));
    let cells = [
        experiment.name.clone(),
        experiment.family.name().to_owned(),
        run.run.name.clone(),
        state.unwrap_or_else(|| "figures".to_owned()),
        figure.to_owned(),
        number(value),
    ];
    line(cells.into_iter())
}
