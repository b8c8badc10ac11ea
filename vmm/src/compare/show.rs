//! Tables of 80 columns, and the sentences under each.

use super::columns::{Column, columns};
use super::result::Comparison;
use super::sentence::sentences;
use super::workload::{self, Path};
use crate::output::text;
use std::fmt::Write;

/// Columns of names in the list.
const WORKLOAD: usize = 19;
const PATH: usize = 14;

/// What workloads and paths there are.
pub(super) fn list() -> String {
    let mut out = String::new();
    let mut above: &[Path] = &[];
    for workload in workload::all() {
        let name = format!("{:WORKLOAD$} ", workload.name);
        text::lines(&mut out, &name, workload.about);
        let mut names = workload.paths.iter().map(|path| path.name);
        let same = above.iter().all(|path| names.next() == Some(path.name));
        let same = if same { above.len() } else { 0 };
        let new = &workload.paths[same..];
        if same > 0 {
            let and = if new.is_empty() { "" } else { ", and" };
            let _ = writeln!(out, "  by the same paths{and}");
        }
        above = workload.paths;
        for path in new {
            text::lines(&mut out, &format!("  by {:PATH$} ", path.name), path.about);
        }
    }
    out
}

/// Appends a workload's table and sentences.
pub(super) fn table(out: &mut String, comparison: &Comparison) {
    let about = format!("{}: {}", comparison.workload, comparison.about);
    text::lines(out, "", &about);
    let names: Vec<&str> = comparison.measured().map(|(path, _)| path.path).collect();
    let columns = columns(comparison);
    let columns: Vec<text::Column<'_>> = columns.iter().map(shown).collect();
    text::table(out, ["path", "an operation"], &names, &columns);
    let width = comparison.paths.iter().map(|path| path.path.len()).max();
    let width = width.unwrap_or(0);
    for path in &comparison.paths {
        if let Some(lack) = path.lack() {
            text::lines(out, &format!("  {:width$} ", path.path), &lack.text());
        }
    }
    for sentence in sentences(comparison) {
        text::lines(out, "  ", &sentence);
    }
}

fn shown(column: &Column) -> text::Column<'_> {
    text::Column {
        head: &column.head,
        cells: column.cells.iter().map(String::as_str).collect(),
        group: column.group as usize,
    }
}

#[cfg(test)]
mod tests;
