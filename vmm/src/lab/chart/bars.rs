//! A bar for every run.

use super::{HALF, ROW, writer};
use crate::lab::number::Unit;
use crate::lab::result::Outcome;
use crate::output::chart::frame::Frame;
use crate::output::chart::paint::{Fault, series};
use crate::output::chart::scale::Scale;

/// Draws the figure `y` of the runs.
pub(super) fn draw(outcome: &Outcome<'_>, title: &str, y: &str) -> Result<Option<String>, Fault> {
    let values: Vec<f64> = outcome
        .runs
        .iter()
        .filter_map(|run| run.figures.get(y).copied())
        .collect();
    if values.is_empty() {
        return Ok(None);
    }
    let names: Vec<&str> = outcome
        .runs
        .iter()
        .map(|run| run.run.name.as_str())
        .collect();
    let mut svg = String::new();
    let frame = Frame::new(&mut svg, title, &names, ROW)?;
    let (scale, write) = (Scale::for_values(&values), writer(y));
    frame.axis(scale, &Unit::head(y), &write)?;
    for (nth, run) in (0..).zip(&outcome.runs) {
        let middle = frame.middle(nth);
        match run.figures.get(y) {
            Some(value) => {
                let ends = [
                    (frame.x(0.0), middle - HALF),
                    (frame.x(scale.place(*value)), middle + HALF),
                ];
                frame.fill(ends, series(0), 0.85)?;
                frame.figure(nth, &write(*value))?;
            }
            None if run.failed.is_some() => frame.absent(nth, "FAILED")?,
            None => frame.absent(nth, "not measured")?,
        }
    }
    frame.finish()?;
    Ok(Some(svg))
}
