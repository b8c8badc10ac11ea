//! Tables of 80 columns, and the sentence under each, which the counts make.

use super::result::{Comparison, Figures, PathOutcome};
use super::workload;
use crate::table::duration;
use std::fmt::Write;

/// What workloads and paths there are.
pub(super) fn list() -> String {
    let mut out = String::new();
    let mut above = None;
    for workload in workload::all() {
        let paths = workload.paths.as_ptr();
        let _ = writeln!(out, "{:16} {}", workload.name, workload.about);
        if above == Some(paths) {
            let _ = writeln!(out, "  by the same paths");
            continue;
        }
        above = Some(paths);
        for path in workload.paths {
            let _ = writeln!(out, "  by {:11} {}", path.name, path.about);
        }
    }
    out
}

/// A count an operation in at most six characters.
fn count(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        ..99_999.5 => format!("{value:.0}"),
        _ => format!("{:.0}k", value / 1000.0),
    }
}

fn rate(bytes_per_second: f64) -> String {
    count(bytes_per_second / f64::from(1 << 20))
}

fn ns(value: f64) -> String {
    duration(value as u64)
}

/// Appends a workload's table and sentence.
pub(super) fn table(out: &mut String, comparison: &Comparison) {
    let _ = writeln!(out, "{}: {}", comparison.workload, comparison.about);
    let _ = writeln!(
        out,
        "  {:12} {:>9} {:>19} {:>7} {:>7} {:>8} {:>6}",
        "path", "time", "least to most", "MiB/s", "exits", "accesses", "irqs"
    );
    for path in &comparison.paths {
        match &path.outcome {
            PathOutcome::Figures(figures) => row(out, path.path, figures),
            PathOutcome::Failed(why) => {
                let _ = writeln!(out, "  {:12} FAILED: {why}", path.path);
            }
        }
    }
    if let Some(sentence) = sentence(comparison) {
        for line in wrapped(&sentence) {
            let _ = writeln!(out, "  {line}");
        }
    }
}

fn row(out: &mut String, path: &str, figures: &Figures) {
    let time = &figures.operation_ns;
    let _ = writeln!(
        out,
        "  {path:12} {:>9} {:>19} {:>7} {:>7} {:>8} {:>6}",
        ns(time.median),
        format!("{} to {}", ns(time.min), ns(time.max)),
        figures
            .bytes_per_second
            .map_or("-".to_owned(), |spread| rate(spread.median)),
        count(figures.exits),
        count(figures.accesses),
        count(figures.interrupts)
    );
}

/// Fastest against slowest: how much, and which count differs most.
fn sentence(comparison: &Comparison) -> Option<String> {
    let all = comparison.paths.iter();
    let mut all: Vec<(&str, &Figures)> = all
        .filter_map(|path| match &path.outcome {
            PathOutcome::Figures(figures) => Some((path.path, figures)),
            PathOutcome::Failed(_) => None,
        })
        .collect();
    all.sort_by(|a, b| a.1.operation_ns.median.total_cmp(&b.1.operation_ns.median));
    let ((fast, best), (slow, worst)) = (all.first()?, all.last()?);
    if fast == slow {
        return None;
    }
    if best.operation_ns.overlaps(&worst.operation_ns) {
        return Some(format!(
            "Between {fast} and {slow} there is no difference beyond their spread."
        ));
    }
    let ratio = count(worst.operation_ns.median / best.operation_ns.median);
    let reason = reason((fast, best), (slow, worst));
    Some(format!(
        "{fast} is {ratio} times as fast as {slow}: {reason}."
    ))
}

/// The count that explains most of the difference.
fn reason((fast, best): (&str, &Figures), (slow, worst): (&str, &Figures)) -> String {
    let differs = |fewer: f64, more: f64| more > fewer * 1.2 && more - fewer > 0.1;
    let by = |what: &str, few: f64, many: f64| {
        format!("{} {what} an operation against {}", count(few), count(many))
    };
    if differs(best.exits, worst.exits) {
        let exits = by("exits", best.exits, worst.exits);
        let top = worst.exits_by.iter().max_by(|a, b| a.1.total_cmp(b.1));
        let of = top.map_or(String::new(), |(name, n)| {
            format!(", of which {} {name}", count(*n))
        });
        return format!("{exits}{of}");
    }
    if differs(best.interrupts, worst.interrupts) {
        return by("interrupts", best.interrupts, worst.interrupts);
    }
    if differs(best.doorbells, worst.doorbells) {
        return by("doorbells", best.doorbells, worst.doorbells);
    }
    if differs(best.page_faults, worst.page_faults) {
        return by("page faults", best.page_faults, worst.page_faults);
    }
    if differs(worst.exits, best.exits) || differs(worst.interrupts, best.interrupts) {
        return format!(
            "not for its counts ({} exits, {} interrupts an operation against {}, {}), but for \
             what {slow} waits",
            count(best.exits),
            count(best.interrupts),
            count(worst.exits),
            count(worst.interrupts)
        );
    }
    format!("exits and interrupts are as many; {fast} waits less for each")
}

/// Lines of at most 78 columns.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let last = lines.last_mut().expect("there is one");
        if !last.is_empty() && last.len() + 1 + word.len() > 76 {
            lines.push(word.to_owned());
            continue;
        }
        if !last.is_empty() {
            last.push(' ');
        }
        last.push_str(word);
    }
    lines
}
