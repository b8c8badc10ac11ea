//! Charts of a workload as SVG, a row a path: time, exits, where the time goes, latencies.
//!
//! What makes a chart is drawn by [`Frame`] on axes of [`Scale`]. A path that has
//! failed has its row, without a figure.

use super::columns::{count, ns};
use super::figures::{Figures, Split};
use super::latency::Latency;
use super::result::{Comparison, PathResult};
use super::workload::Model;
use crate::output::chart::frame::Frame;
use crate::output::chart::paint::{Fault, INK};
use crate::output::chart::scale::Scale;
use plotters::style::RGBColor;

/// A drawn chart.
pub(super) struct Chart {
    /// What it shows, a part of its file's name.
    pub(super) kind: &'static str,
    pub(super) svg: String,
}

/// Pixels of a row: of one bar, and of one histogram.
const BAR_ROW: i32 = 34;
const HISTOGRAM_ROW: i32 = 50;
/// Half the height of a bar.
const HALF: i32 = 9;

const MODELS: [(Model, RGBColor); 3] = [
    (Model::Emulated, RGBColor(0xd9, 0x7b, 0x29)),
    (Model::Paravirtual, RGBColor(0x2f, 0x81, 0xc4)),
    (Model::Direct, RGBColor(0x3f, 0x9b, 0x5b)),
];

fn color(model: Model) -> RGBColor {
    let found = MODELS.iter().find(|(other, _)| *other == model);
    found.map_or(INK, |(_, color)| *color)
}

/// A part of the time, its name and colour.
type Part = (fn(&Split) -> f64, &'static str, RGBColor);

const PARTS: [Part; 3] = [
    (
        |split| split.guest_ns,
        "guest and KVM",
        RGBColor(0x2a, 0x9d, 0x8f),
    ),
    (
        |split| split.exits_ns,
        "exits in userspace",
        RGBColor(0xd1, 0x49, 0x5b),
    ),
    (
        |split| split.waiting_ns,
        "device, waiting",
        RGBColor(0xa3, 0xac, 0xb8),
    ),
];

/// Draws a chart; whether there was a figure for it.
type Draw = fn(&Comparison, &mut String) -> Result<bool, Fault>;

/// The charts, by what they show.
const CHARTS: [(&str, Draw); 4] = [
    ("time", time),
    ("exits", exits),
    ("split", split),
    ("latency", latency),
];

/// All charts that there are figures for.
pub(super) fn charts(comparison: &Comparison) -> Result<Vec<Chart>, String> {
    let mut charts = Vec::new();
    for (kind, draw) in CHARTS {
        let mut svg = String::new();
        let is_there = draw(comparison, &mut svg).map_err(|fault| fault.to_string())?;
        if is_there {
            charts.push(Chart { kind, svg });
        }
    }
    Ok(charts)
}

fn names(comparison: &Comparison) -> Vec<&'static str> {
    comparison.paths.iter().map(|path| path.path).collect()
}

/// The models that there are.
fn models(comparison: &Comparison) -> Vec<(&'static str, RGBColor)> {
    let is_there = |model| comparison.paths.iter().any(|path| path.model == model);
    let models = MODELS.iter().filter(|(model, _)| is_there(*model));
    models
        .map(|(model, color)| (model.name(), *color))
        .collect()
}

/// Calls `draw` for each row with figures that it can draw; the others are failed or not measured.
fn rows<'a, T>(
    frame: &Frame<'_>,
    comparison: &'a Comparison,
    value: impl Fn(&'a Figures) -> Option<T>,
    draw: impl Fn(i32, &'a PathResult, T) -> Result<(), Fault>,
) -> Result<(), Fault> {
    for (nth, path) in (0..).zip(&comparison.paths) {
        match path.figures().map(&value) {
            None => frame.absent(nth, path.lack().map_or("", |lack| lack.word))?,
            Some(None) => frame.absent(nth, "not measured")?,
            Some(Some(value)) => draw(nth, path, value)?,
        }
    }
    Ok(())
}

/// A bar from the axis' start.
fn bar(frame: &Frame<'_>, nth: i32, place: f64, color: RGBColor) -> Result<(), Fault> {
    let y = frame.middle(nth);
    frame.fill(
        [(frame.x(0.0), y - HALF), (frame.x(place), y + HALF)],
        color,
        0.85,
    )
}

/// Time of an operation, with the spread of the runs.
fn time(comparison: &Comparison, svg: &mut String) -> Result<bool, Fault> {
    let frame = Frame::new(svg, "Time of an operation", &names(comparison), BAR_ROW)?;
    let times = comparison
        .measured()
        .map(|(_, figures)| figures.operation_ns);
    let times: Vec<f64> = times.flat_map(|time| [time.min, time.max]).collect();
    let scale = Scale::for_values(&times);
    frame.legend(&models(comparison))?;
    frame.axis(scale, "median, line: least to most", ns)?;
    rows(
        &frame,
        comparison,
        |figures| Some(figures.operation_ns),
        |nth, path, time| {
            bar(&frame, nth, scale.place(time.median), color(path.model))?;
            let (y, ends) = (frame.middle(nth), [time.min, time.max]);
            let [least, most] = ends.map(|end| frame.x(scale.place(end)));
            frame.line(vec![(least, y), (most, y)], 2)?;
            for x in [least, most] {
                frame.line(vec![(x, y - 4), (x, y + 4)], 2)?;
            }
            frame.figure(nth, &ns(time.median))
        },
    )?;
    frame.finish()?;
    Ok(!times.is_empty())
}

/// Exits to userspace.
fn exits(comparison: &Comparison, svg: &mut String) -> Result<bool, Fault> {
    let frame = Frame::new(
        svg,
        "Exits to userspace an operation",
        &names(comparison),
        BAR_ROW,
    )?;
    let values: Vec<f64> = comparison
        .measured()
        .map(|(_, figures)| figures.exits)
        .collect();
    let scale = match Scale::for_values(&values) {
        // The least one is to have a bar, too.
        Scale::Log(from, to) => Scale::Log(from - 1, to),
        linear => linear,
    };
    frame.legend(&models(comparison))?;
    frame.axis(scale, "exits", |value| match value {
        0.0..0.01 => value.to_string(),
        _ => count(value),
    })?;
    rows(
        &frame,
        comparison,
        |figures| Some(figures.exits),
        |nth, path, exits| {
            bar(&frame, nth, scale.place(exits), color(path.model))?;
            frame.figure(nth, &count(exits))
        },
    )?;
    frame.finish()?;
    Ok(!values.is_empty())
}

/// Where the vCPUs' time goes.
fn split(comparison: &Comparison, svg: &mut String) -> Result<bool, Fault> {
    let title = "Where the time of an operation goes";
    let frame = Frame::new(svg, title, &names(comparison), BAR_ROW)?;
    frame.legend(&PARTS.map(|(_, name, color)| (name, color)))?;
    let axis = "part of the vCPUs' time; at the end, their time an operation";
    frame.axis(Scale::Linear(100.0), axis, |value| format!("{value:.0} %"))?;
    rows(
        &frame,
        comparison,
        |figures| figures.split,
        |nth, _, split| {
            let all: f64 = PARTS.iter().map(|(of, ..)| of(&split)).sum();
            let (y, mut from) = (frame.middle(nth), 0.0);
            for (of, _, color) in PARTS {
                let to = from + of(&split) / all.max(f64::MIN_POSITIVE);
                frame.fill(
                    [(frame.x(from), y - HALF), (frame.x(to), y + HALF)],
                    color,
                    1.0,
                )?;
                from = to;
            }
            frame.figure(nth, &ns(all))
        },
    )?;
    frame.finish()?;
    Ok(comparison
        .measured()
        .any(|(_, figures)| figures.split.is_some()))
}

/// How long single operations took: a histogram a path, each as high as its fullest bucket.
fn latency(comparison: &Comparison, svg: &mut String) -> Result<bool, Fault> {
    let title = "How long single operations took";
    let frame = Frame::new(svg, title, &names(comparison), HISTOGRAM_ROW)?;
    let all = comparison
        .measured()
        .filter_map(|(_, figures)| figures.latency.as_ref());
    let ends = all.flat_map(|latency| latency.buckets.iter());
    let ends: Vec<f64> = ends
        .flat_map(|b| [b.from_ns.max(1) as f64, b.to_ns as f64])
        .collect();
    let scale = Scale::decades(&ends);
    frame.legend(&models(comparison))?;
    frame.axis(scale, "time; lines: p50 and p99; at the end, p50", ns)?;
    rows(
        &frame,
        comparison,
        |figures| figures.latency.as_ref(),
        |nth, path, latency| {
            let base = frame.middle(nth) + HISTOGRAM_ROW / 2 - 6;
            let outline = outline(latency, |ns| frame.x(scale.place(ns)), base);
            frame.shape(outline, color(path.model))?;
            for percentile in [latency.p50_ns, latency.p99_ns] {
                let x = frame.x(scale.place(percentile));
                frame.line(vec![(x, base - HISTOGRAM_ROW + 14), (x, base)], 1)?;
            }
            frame.figure(nth, &ns(latency.p50_ns))
        },
    )?;
    frame.finish()?;
    Ok(!ends.is_empty())
}

/// Steps over the buckets, from `base` up; down to it where there is a gap.
fn outline(latency: &Latency, x: impl Fn(f64) -> i32, base: i32) -> Vec<(i32, i32)> {
    let fullest = latency.buckets.iter().map(|bucket| bucket.operations).max();
    let fullest = fullest.unwrap_or(1).max(1) as f64;
    let mut points: Vec<(i32, i32)> = Vec::new();
    for bucket in &latency.buckets {
        let height = f64::from(HISTOGRAM_ROW - 14) * bucket.operations as f64 / fullest;
        let top = base - height.round() as i32;
        let (from, to) = (x(bucket.from_ns.max(1) as f64), x(bucket.to_ns as f64));
        match points.last() {
            Some(end) if end.0 == from => {}
            Some(end) => points.extend([(end.0, base), (from, base)]),
            None => points.push((from, base)),
        }
        points.extend([(from, top), (to, top)]);
    }
    if let Some(end) = points.last() {
        points.push((end.0, base));
    }
    points
}

#[cfg(test)]
mod tests;
