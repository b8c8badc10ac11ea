//! Tables of 80 columns, and the sentences under each.

use super::columns::{Column, Group, columns};
use super::result::Comparison;
use super::sentence::sentences;
use super::workload::{self, Path};
use std::fmt::Write;

/// Widest line.
const COLUMNS: usize = 80;
const INDENT: usize = 2;

/// Columns of names in the list.
const WORKLOAD: usize = 19;
const PATH: usize = 14;

/// What workloads and paths there are.
pub(super) fn list() -> String {
    let mut out = String::new();
    let mut above: &[Path] = &[];
    for workload in workload::all() {
        let name = format!("{:WORKLOAD$} ", workload.name);
        lines(&mut out, &name, workload.about);
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
            lines(&mut out, &format!("  by {:PATH$} ", path.name), path.about);
        }
    }
    out
}

/// Appends a workload's table and sentences.
pub(super) fn table(out: &mut String, comparison: &Comparison) {
    let about = format!("{}: {}", comparison.workload, comparison.about);
    lines(out, "", &about);
    let names = comparison.paths.iter().map(|path| path.path.len());
    let width = names.max().unwrap_or(0).max("an operation".len());
    let mut head = "path";
    for block in blocks(columns(comparison), width) {
        if block.iter().all(|column| column.group == Group::Costs) {
            head = "an operation";
        }
        show(out, comparison, head, width, &block);
    }
    for path in &comparison.paths {
        if let Some(lack) = path.lack() {
            lines(out, &format!("  {:width$} ", path.path), &lack.text());
        }
    }
    for sentence in sentences(comparison) {
        lines(out, "  ", &sentence);
    }
}

/// Width of a column.
fn width(column: &Column) -> usize {
    let cells = column.cells.iter().chain([&column.head]);
    cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
}

/// As many columns side by side as a line has room for, what belongs together not behind others.
fn blocks(columns: Vec<Column>, names: usize) -> Vec<Vec<Column>> {
    let mut blocks: Vec<Vec<Column>> = Vec::new();
    let mut used = COLUMNS;
    for column in columns {
        let takes = 1 + width(&column);
        let last = blocks.last_mut().filter(|block| {
            let same = block
                .last()
                .is_some_and(|before| before.group == column.group);
            same && used + takes <= COLUMNS
        });
        if let Some(block) = last {
            used += takes;
            block.push(column);
        } else {
            used = INDENT + names + takes;
            blocks.push(vec![column]);
        }
    }
    blocks
}

fn show(out: &mut String, comparison: &Comparison, head: &str, names: usize, block: &[Column]) {
    let mut line = |name: &str, cells: &mut dyn Iterator<Item = (&Column, &str)>| {
        let _ = write!(out, "  {name:names$}");
        for (column, cell) in cells {
            let _ = write!(out, " {cell:>width$}", width = width(column));
        }
        out.push('\n');
    };
    line(
        head,
        &mut block.iter().map(|column| (column, column.head.as_str())),
    );
    for (at, (path, _)) in comparison.measured().enumerate() {
        line(
            path.path,
            &mut block
                .iter()
                .map(|column| (column, column.cells[at].as_str())),
        );
    }
}

/// Writes a text behind `head` in lines of at most 80 columns, indented by the head.
fn lines(out: &mut String, head: &str, text: &str) {
    let indent = head.chars().count();
    let room = COLUMNS.saturating_sub(indent).max(1);
    let mut left: Vec<char> = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word: Vec<char> = word.chars().collect();
        // A word that is longer than a line is broken.
        for piece in word.chunks(room) {
            if !left.is_empty() && left.len() + 1 + piece.len() > room {
                lines.push(left.drain(..).collect());
            }
            if !left.is_empty() {
                left.push(' ');
            }
            left.extend(piece);
        }
    }
    lines.push(left.into_iter().collect());
    let mut before = head.to_owned();
    for line in lines {
        let _ = writeln!(out, "{before}{line}");
        before = " ".repeat(indent);
    }
}

#[cfg(test)]
mod tests;
