//! Who was on a processor, and when: a row for each task of a run.
//!
//! The series has the columns task, cpu, from_ns and to_ns, by these names, in any order but that
//! the task, which the labels are of, is the first.

use super::{Drawn, HALF, ROW};
use crate::lab::number::{Unit, shown};
use crate::lab::result::{Outcome, RunResult};
use crate::output::chart::frame::Frame;
use crate::output::chart::paint::{Fault, series};
use crate::output::chart::scale::Scale;
use crate::suite::Series;

/// Most tasks and slices that a chart has room for.
const MOST_TASKS: usize = 40;
const MOST_SLICES: usize = 4000;

/// A time on a processor.
struct Slice {
    task: usize,
    cpu: usize,
    from_ns: f64,
    to_ns: f64,
}

/// Draws a chart for each run that has such a series.
pub(super) fn draw(
    outcome: &Outcome<'_>,
    title: Option<&str>,
    series: &str,
) -> Result<Vec<Drawn>, Fault> {
    let mut drawn = Vec::new();
    for run in &outcome.runs {
        let Some(rows) = run.said.series.get(series) else {
            continue;
        };
        let slices = slices(rows);
        if !slices.is_empty() {
            let svg = chart(run, title, rows, &slices)?;
            drawn.push((Some(run.run.name.clone()), svg));
        }
    }
    Ok(drawn)
}

fn slices(series: &Series) -> Vec<Slice> {
    let column = |name: &str| series.columns.iter().position(|column| column == name);
    let columns = [
        column("task"),
        column("cpu"),
        column("from_ns"),
        column("to_ns"),
    ];
    let [Some(task), Some(cpu), Some(from), Some(to)] = columns else {
        return Vec::new();
    };
    let slices = series.rows().map(|row| Slice {
        task: usize::try_from(row[task]).unwrap_or(usize::MAX),
        cpu: usize::try_from(row[cpu]).unwrap_or(usize::MAX),
        from_ns: row[from] as f64,
        to_ns: row[to] as f64,
    });
    let shown = slices.filter(|slice| slice.task < MOST_TASKS);
    shown.take(MOST_SLICES).collect()
}

fn chart(
    run: &RunResult<'_>,
    title: Option<&str>,
    rows: &Series,
    slices: &[Slice],
) -> Result<String, Fault> {
    let tasks = slices.iter().map(|slice| slice.task + 1).max().unwrap_or(0);
    let names: Vec<String> = (0..tasks)
        .map(|task| match rows.labels.get(task) {
            Some(label) => label.clone(),
            None => format!("task {task}"),
        })
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let title = format!("{}: {}", run.run.name, title.unwrap_or("who ran when"));
    let mut svg = String::new();
    let frame = Frame::new(&mut svg, &title, &names, ROW)?;
    let ends: Vec<f64> = slices.iter().map(|slice| slice.to_ns).collect();
    let scale = Scale::linear(&ends);
    legend(&frame, slices)?;
    frame.axis(scale, "time; at the end, on a processor in all", |ns| {
        shown(ns, Unit::Ns)
    })?;
    for slice in slices {
        let middle = frame.middle(slice.task as i32);
        let from = frame.x(scale.place(slice.from_ns));
        // What is too short to be seen is seen all the same.
        let to = frame.x(scale.place(slice.to_ns)).max(from + 1);
        let corners = [(from, middle - HALF), (to, middle + HALF)];
        frame.fill(corners, series(slice.cpu), 0.9)?;
    }
    for task in 0..tasks {
        let own = slices.iter().filter(|slice| slice.task == task);
        let ran: f64 = own.map(|slice| slice.to_ns - slice.from_ns).sum();
        frame.figure(task as i32, &shown(ran, Unit::Ns))?;
    }
    frame.finish()?;
    Ok(svg)
}

/// Names the processors, if there are several.
fn legend(frame: &Frame<'_>, slices: &[Slice]) -> Result<(), Fault> {
    let mut cpus: Vec<usize> = slices.iter().map(|slice| slice.cpu).collect();
    cpus.sort_unstable();
    cpus.dedup();
    if cpus.len() < 2 {
        return Ok(());
    }
    let names: Vec<String> = cpus.iter().map(|cpu| format!("processor {cpu}")).collect();
    let entries: Vec<_> = names
        .iter()
        .zip(&cpus)
        .map(|(name, cpu)| (name.as_str(), series(*cpu)))
        .collect();
    frame.legend(&entries)
}
