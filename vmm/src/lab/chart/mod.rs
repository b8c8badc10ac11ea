//! Charts of an experiment as SVG, as its file asks for them.
//!
//! | kind | one for | what it shows |
//! |---|---|---|
//! | bars | the experiment | a figure of every run |
//! | curve | the experiment | a figure over numbers that tell the runs apart, a line for each value of another |
//! | gantt | each run | which task was on a processor, and when |
//! | histogram | the experiment | a row for every run: how often which value |

mod bars;
mod curve;
mod gantt;
mod histogram;

use super::experiment::{Chart as Plan, Shape};
use super::number::{Unit, shown};
use super::result::Outcome;
use crate::output::chart::paint::Fault;

/// A drawn chart.
pub(super) struct Chart {
    /// A part of its file's name.
    pub(super) name: String,
    pub(super) svg: String,
}

/// Pixels of a row, and half the height of a bar in it.
const ROW: i32 = 26;
const HALF: i32 = 8;

/// All charts of an experiment for which there are figures.
pub(super) fn charts(outcome: &Outcome<'_>) -> Result<Vec<Chart>, String> {
    let mut charts = Vec::new();
    for (nth, plan) in outcome.experiment.charts.iter().enumerate() {
        let drawn = draw(outcome, plan).map_err(|fault| fault.to_string())?;
        let named = drawn.into_iter().map(|(run, svg)| Chart {
            name: match run {
                None => format!("{}", nth + 1),
                Some(run) => format!("{}-{run}", nth + 1),
            },
            svg,
        });
        charts.extend(named);
    }
    Ok(charts)
}

/// A chart, and of which run, if it is of one.
type Drawn = (Option<String>, String);

fn draw(outcome: &Outcome<'_>, plan: &Plan) -> Result<Vec<Drawn>, Fault> {
    let title = |usual: &str| plan.title.clone().unwrap_or_else(|| usual.to_owned());
    match &plan.shape {
        Shape::Bars { y } => one(bars::draw(outcome, &title(&Unit::head(y)), y)),
        Shape::Curve { y, .. } => one(curve::draw(outcome, &title(&Unit::head(y)), &plan.shape)),
        Shape::Gantt { series } => gantt::draw(outcome, plan.title.as_deref(), series),
        Shape::Histogram { series } => one(histogram::draw(
            outcome,
            &title(&Unit::head(series)),
            series,
        )),
    }
}

fn one(svg: Result<Option<String>, Fault>) -> Result<Vec<Drawn>, Fault> {
    Ok(svg?.into_iter().map(|svg| (None, svg)).collect())
}

/// How values of a figure are written.
fn writer(figure: &str) -> impl Fn(f64) -> String + use<> {
    let unit = Unit::of(figure);
    move |value| shown(value, unit)
}
