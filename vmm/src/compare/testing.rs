//! Synthetic results for tests of what is said of results.

use super::figures::{Figures, Split};
use super::latency::Latency;
use super::result::{Comparison, PathOutcome, PathResult};
use super::spread::Spread;
use super::workload::Model;
use abi::latency::{Buckets, PREFIX};
use std::collections::BTreeMap;

/// Figures of operations that take so long, with a spread of a tenth to either side.
pub(super) fn figures(operation_ns: f64, exits: f64) -> Figures {
    let spread = |median: f64| Spread {
        median,
        min: median * 0.9,
        max: median * 1.1,
    };
    let buckets = [(operation_ns, 90), (operation_ns * 4.0, 10)];
    let buckets = buckets.map(|(ns, n)| (format!("{PREFIX}{}", Buckets::of(ns as u64)), n));
    Figures {
        operations_per_second: spread(1e9 / operation_ns),
        operation_ns: spread(operation_ns),
        bytes_per_second: Some(spread(4096e9 / operation_ns)),
        exits,
        exits_by: BTreeMap::from([("pio_read ide".to_owned(), exits)]),
        accesses: exits,
        doorbells: 0.0,
        interrupts: 1.0,
        kernel: BTreeMap::from([("exits", 2.0 * exits), ("insn_emulation", 9.0)]),
        requests: 1.0,
        exit_ns: 0.0,
        user_ns: 0.0,
        kernel_ns: operation_ns,
        guest_ns: 0.0,
        split: Some(Split {
            guest_ns: operation_ns / 2.0,
            exits_ns: operation_ns / 4.0,
            waiting_ns: operation_ns / 4.0,
        }),
        latency: Latency::of([BTreeMap::from(buckets)].iter()),
        more: BTreeMap::from([("handler_ns".to_owned(), 1500.0)]),
    }
}

/// A path with that outcome.
pub(super) fn path(path: &'static str, model: Model, outcome: PathOutcome) -> PathResult {
    PathResult {
        path,
        about: "one & <all>",
        model,
        copies: Some(1),
        textbook_accesses: Some(2055),
        ratio: None,
        outcome,
    }
}

/// A comparison of an emulated path of 2000 exits, another as slow, a fast paravirtual one, and one
/// that failed.
pub(super) fn comparison() -> Comparison {
    let measured = |ns, exits| PathOutcome::Figures(Box::new(figures(ns, exits)));
    let why = "a page came back with <other> bytes, \"0\"";
    let mut comparison = Comparison {
        workload: "reading",
        about: "reads & so on",
        paths: vec![
            path("words", Model::Emulated, measured(10e6, 2000.0)),
            path("words-again", Model::Emulated, measured(10.5e6, 2000.0)),
            path("ring", Model::Paravirtual, measured(1e6, 0.0)),
            path(
                "broken",
                Model::Paravirtual,
                PathOutcome::Failed(why.to_owned()),
            ),
        ],
    };
    comparison.relate();
    comparison
}
