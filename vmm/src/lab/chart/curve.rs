//! A figure over numbers that tell the runs apart.

use super::writer;
use crate::lab::experiment::Shape;
use crate::lab::file::{AxisScale, Setting};
use crate::lab::number::Unit;
use crate::lab::result::{Outcome, RunResult};
use crate::output::chart::paint::Fault;
use crate::output::chart::plane::{Axis, Line, Plane};
use crate::output::chart::scale::Scale;

/// Draws a chart of shape [`Shape::Curve`].
pub(super) fn draw(
    outcome: &Outcome<'_>,
    title: &str,
    shape: &Shape,
) -> Result<Option<String>, Fault> {
    let Shape::Curve {
        x,
        y,
        by,
        x_scale,
        y_scale,
    } = shape
    else {
        return Ok(None);
    };
    let lines = lines(outcome, x, y, by.as_deref());
    let points = || lines.iter().flat_map(|line| &line.points);
    if points().next().is_none() {
        return Ok(None);
    }
    let xs: Vec<f64> = points().map(|point| point.0).collect();
    let ys: Vec<f64> = points().map(|point| point.1).collect();
    let (x_writer, y_writer) = (writer(x), writer(y));
    let (x_head, y_head) = (Unit::head(x), Unit::head(y));
    let x_axis = Axis {
        scale: scale(*x_scale, &xs),
        what: &x_head,
        write: &x_writer,
    };
    let y_axis = Axis {
        scale: scale(*y_scale, &ys),
        what: &y_head,
        write: &y_writer,
    };
    let mut svg = String::new();
    Plane::draw(&mut svg, title, [&x_axis, &y_axis], &lines)?;
    Ok(Some(svg))
}

fn scale(kind: AxisScale, values: &[f64]) -> Scale {
    match kind {
        AxisScale::Linear => Scale::linear(values),
        AxisScale::Log => Scale::decades(values),
    }
}

/// A line for each value of `by`, in the order of the runs.
fn lines(outcome: &Outcome<'_>, x: &str, y: &str, by: Option<&str>) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for run in &outcome.runs {
        let Some(Setting::Number(at)) = each(run, x) else {
            continue;
        };
        let Some(value) = run.figures.get(y) else {
            continue;
        };
        let name = by.and_then(|by| each(run, by));
        let name = name.map(Setting::to_string).unwrap_or_default();
        let point = (*at as f64, *value);
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                name,
                points: vec![point],
            }),
        }
    }
    for line in &mut lines {
        line.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    lines
}

/// What tells a run from others, by its name.
fn each<'a>(run: &'a RunResult<'_>, name: &str) -> Option<&'a Setting> {
    let mut each = run.run.each.iter();
    each.find(|(known, _)| known == name)
        .map(|(_, setting)| setting)
}
