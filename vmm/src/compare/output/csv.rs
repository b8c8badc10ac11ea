//! A line of CSV (RFC 4180) for each path of each workload; units are in the names.

use crate::compare::figures::Figures;
use crate::compare::result::{Comparison, PathResult, Ratio};
use crate::compare::spread::Spread;
use crate::output::csv::{line, number};
use std::collections::BTreeSet;

/// A column of figures.
type Field = (&'static str, fn(&Figures) -> Option<f64>);

fn bytes(figures: &Figures, of: fn(Spread) -> f64) -> Option<f64> {
    figures.bytes_per_second.map(of)
}

const FIELDS: &[Field] = &[
    ("operations_per_second", |f| {
        Some(f.operations_per_second.median)
    }),
    ("operations_per_second_min", |f| {
        Some(f.operations_per_second.min)
    }),
    ("operations_per_second_max", |f| {
        Some(f.operations_per_second.max)
    }),
    ("operation_ns", |f| Some(f.operation_ns.median)),
    ("operation_ns_min", |f| Some(f.operation_ns.min)),
    ("operation_ns_max", |f| Some(f.operation_ns.max)),
    ("bytes_per_second", |f| bytes(f, |spread| spread.median)),
    ("bytes_per_second_min", |f| bytes(f, |spread| spread.min)),
    ("bytes_per_second_max", |f| bytes(f, |spread| spread.max)),
    ("latency_p50_ns", |f| Some(f.latency.as_ref()?.p50_ns)),
    ("latency_p90_ns", |f| Some(f.latency.as_ref()?.p90_ns)),
    ("latency_p99_ns", |f| Some(f.latency.as_ref()?.p99_ns)),
    ("exits", |f| Some(f.exits)),
    ("kvm_exits", |f| f.kernel.get("exits").copied()),
    ("kvm_insn_emulation", |f| {
        f.kernel.get("insn_emulation").copied()
    }),
    ("accesses", |f| Some(f.accesses)),
    ("doorbells", |f| Some(f.doorbells)),
    ("interrupts", |f| Some(f.interrupts)),
    ("requests", |f| Some(f.requests)),
    ("exit_ns", |f| Some(f.exit_ns)),
    ("user_ns", |f| Some(f.user_ns)),
    ("kernel_ns", |f| Some(f.kernel_ns)),
    ("guest_ns", |f| Some(f.guest_ns)),
    ("split_guest_ns", |f| Some(f.split?.guest_ns)),
    ("split_exits_ns", |f| Some(f.split?.exits_ns)),
    ("split_waiting_ns", |f| Some(f.split?.waiting_ns)),
];

/// Head and lines.
pub(super) fn lines(comparisons: &[Comparison]) -> String {
    let figures = comparisons.iter().flat_map(Comparison::measured);
    let more: BTreeSet<&str> = figures
        .flat_map(|(_, f)| f.more.keys().map(String::as_str))
        .collect();
    let mut head = vec!["workload", "path", "model", "outcome", "ratio", "copies"];
    head.push("textbook_accesses");
    head.extend(
        FIELDS
            .iter()
            .map(|(name, _)| *name)
            .chain(more.iter().copied()),
    );
    let mut text = line(head.into_iter().map(str::to_owned));
    for comparison in comparisons {
        for path in &comparison.paths {
            let figures = path.figures();
            let fields = FIELDS.iter().map(|(_, of)| number(figures.and_then(of)));
            let others = more
                .iter()
                .map(|name| Some(number(figures?.more.get(*name).copied())));
            let others = others.map(Option::unwrap_or_default);
            let cells = about(comparison, path)
                .into_iter()
                .chain(fields)
                .chain(others);
            text.push_str(&line(cells));
        }
    }
    text
}

/// What is no figure of the runs.
fn about(comparison: &Comparison, path: &PathResult) -> [String; 7] {
    [
        comparison.workload.to_owned(),
        path.path.to_owned(),
        path.model.name().to_owned(),
        path.lack().map_or("figures".to_owned(), |lack| lack.text()),
        match path.ratio {
            None => String::new(),
            Some(Ratio::Baseline) => "baseline".to_owned(),
            Some(Ratio::Same) => "same".to_owned(),
            Some(Ratio::Times(times)) => number(Some(times)),
        },
        path.copies
            .map(|copies| copies.to_string())
            .unwrap_or_default(),
        path.textbook_accesses
            .map(|count| count.to_string())
            .unwrap_or_default(),
    ]
}
