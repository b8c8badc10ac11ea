//! Tables of 80 columns: an experiment's runs, what does not hold, the sentence.

use super::experiment::Experiment;
use super::number::{Unit, shown};
use super::result::{Outcome, RunResult};
use crate::output::text;
use std::fmt::Write;

/// Most lines of a run that are shown; all are in the report.
const MOST_LINES: usize = 12;

/// What experiments there are.
pub(super) fn list(experiments: &[Experiment]) -> String {
    let width = experiments.iter().map(|one| one.name.len()).max();
    let width = width.unwrap_or(0);
    let (mut out, mut family) = (String::new(), None);
    for experiment in experiments {
        if family.replace(experiment.family) != Some(experiment.family) {
            let _ = writeln!(out, "{}", experiment.family.name());
        }
        let head = format!("  {:width$}  ", experiment.name);
        text::lines(&mut out, &head, &experiment.title);
    }
    out
}

/// Heads of the columns, and a cell of each for every run that has not failed.
pub(super) fn columns(outcome: &Outcome<'_>) -> Vec<(String, Vec<String>)> {
    let cell = |run: &RunResult<'_>, column: &str| {
        let value = run.figures.get(column);
        value.map_or("-".to_owned(), |value| shown(*value, Unit::of(column)))
    };
    let columns = outcome.experiment.columns.iter().map(|column| {
        let cells = measured(outcome).map(|run| cell(run, column));
        (Unit::head(column), cells.collect())
    });
    columns.collect()
}

/// The runs that have not failed.
pub(super) fn measured<'a, 'e>(
    outcome: &'a Outcome<'e>,
) -> impl Iterator<Item = &'a RunResult<'e>> {
    outcome.runs.iter().filter(|run| run.failed.is_none())
}

/// Appends all that there is to say of an experiment, and an empty line.
pub(super) fn outcome(out: &mut String, outcome: &Outcome<'_>) {
    let experiment = outcome.experiment;
    let title = format!("{}: {}", experiment.name, experiment.title);
    text::lines(out, "", &title);
    let names: Vec<&str> = measured(outcome).map(|run| run.run.name.as_str()).collect();
    let columns = columns(outcome);
    let columns: Vec<text::Column<'_>> = columns
        .iter()
        .map(|(head, cells)| text::Column {
            head,
            cells: cells.iter().map(String::as_str).collect(),
            group: 0,
        })
        .collect();
    if !names.is_empty() {
        text::table(out, ["run", "run"], &names, &columns);
    }
    for run in &outcome.runs {
        if let Some(why) = &run.failed {
            text::lines(
                out,
                &format!("  {} FAILED: ", run.run.name),
                &printable(why),
            );
        }
        said(out, run);
    }
    verdict(out, outcome);
    out.push('\n');
}

/// What a run has said.
fn said(out: &mut String, run: &RunResult<'_>) {
    let lines = &run.said.lines;
    for line in lines.iter().take(MOST_LINES) {
        text::lines(out, &format!("  {}: ", run.run.name), &printable(line));
    }
    if lines.len() > MOST_LINES {
        let more = lines.len() - MOST_LINES;
        let _ = writeln!(out, "  {}: and {more} lines more", run.run.name);
    }
}

/// Whether it came out, and what did not.
fn verdict(out: &mut String, outcome: &Outcome<'_>) {
    let unjudged = outcome.verdicts.iter().filter(|one| one.unjudged.is_some());
    let unjudged: Vec<_> = unjudged.collect();
    let wanted = outcome.verdicts.len() - unjudged.len();
    let broken: Vec<_> = outcome.broken().collect();
    for verdict in &broken {
        let expected = verdict.text(outcome.experiment);
        let line = format!("{expected} (found: {})", verdict.checked.found);
        text::lines(out, "  NOT AS EXPECTED ", &line);
    }
    for verdict in &unjudged {
        let expected = verdict.text(outcome.experiment);
        let line = format!("{expected}: {}", verdict.unjudged.unwrap_or_default());
        text::lines(out, "  not judged ", &line);
    }
    if let Some(trouble) = &outcome.trouble {
        text::lines(out, "  FAILED: ", &printable(trouble));
    }
    let shows_text = !outcome.came_out();
    for line in outcome.text.lines().filter(|_| shows_text) {
        text::lines(out, "  guest: ", &printable(line));
    }
    text::lines(out, "  ", &outcome.sentence);
    let tries = match outcome.tries {
        1 => String::new(),
        tries => format!(", at try {tries}"),
    };
    let _ = writeln!(
        out,
        "  {} of {wanted} expectations hold; {:.1} s{tries}",
        wanted - broken.len(),
        outcome.took.as_secs_f64()
    );
}

/// A guest's text without what would move the cursor.
fn printable(text: &str) -> String {
    let shown = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    shown.collect()
}
