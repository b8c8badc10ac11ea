//! How often which value: a row for every run, each as high as its fullest place.
//!
//! The series has two columns: the lower end of a place, and how many there are in it. A place ends
//! where the next begins.

use super::writer;
use crate::lab::number::Unit;
use crate::lab::result::Outcome;
use crate::output::chart::frame::Frame;
use crate::output::chart::paint::{Fault, series};
use crate::output::chart::scale::Scale;
use crate::suite::Series;

/// Pixels of a row.
const HISTOGRAM_ROW: i32 = 50;
/// Places of one decade of the axis.
const PLACES: f64 = 16.0;

/// Draws that series of every run.
pub(super) fn draw(
    outcome: &Outcome<'_>,
    title: &str,
    name: &str,
) -> Result<Option<String>, Fault> {
    let found = outcome.runs.iter().filter_map(|run| {
        let rows = run.said.series.get(name)?;
        (rows.columns.len() == 2).then_some((run.run.name.as_str(), rows))
    });
    let found: Vec<(&str, &Series)> = found.collect();
    let values: Vec<f64> = found
        .iter()
        .flat_map(|(_, rows)| rows.rows().map(|row| row[0] as f64))
        .collect();
    if values.is_empty() {
        return Ok(None);
    }
    let names: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
    let column = found[0].1.columns[0].clone();
    let mut svg = String::new();
    let frame = Frame::new(&mut svg, title, &names, HISTOGRAM_ROW)?;
    let scale = Scale::decades(&values);
    let write = writer(&column);
    frame.axis(
        scale,
        &format!("{}; at the end, the median", Unit::head(&column)),
        &write,
    )?;
    for (nth, (_, rows)) in (0..).zip(&found) {
        let mut bars: Vec<(f64, f64)> = rows
            .rows()
            .map(|row| (row[0] as f64, row[1] as f64))
            .collect();
        bars.sort_by(|a, b| a.0.total_cmp(&b.0));
        let base = frame.middle(nth) + HISTOGRAM_ROW / 2 - 4;
        let height = f64::from(HISTOGRAM_ROW - 10);
        let most = bars.iter().map(|bar| bar.1).fold(1.0, f64::max);
        for (at, (from, count)) in bars.iter().enumerate() {
            let next = bars.get(at + 1).map(|next| next.0);
            // The last place, and one before a gap, is as wide as places are.
            let most_wide = from * 10_f64.powf(1.0 / PLACES);
            let to = next
                .map_or(most_wide, |next| next.min(most_wide))
                .max(*from);
            let top = base - (height * count / most).round() as i32;
            let left = frame.x(scale.place(*from));
            let right = frame.x(scale.place(to)).max(left + 2);
            frame.fill([(left, top), (right, base)], series(0), 0.8)?;
        }
        frame.figure(nth, &write(median(&bars)))?;
    }
    frame.finish()?;
    Ok(Some(svg))
}

/// The lower end of the place that the middle one is in.
fn median(bars: &[(f64, f64)]) -> f64 {
    let all: f64 = bars.iter().map(|bar| bar.1).sum();
    let mut seen = 0.0;
    let middle = bars.iter().find(|bar| {
        seen += bar.1;
        seen * 2.0 >= all
    });
    middle.map_or(0.0, |bar| bar.0)
}
