//! Columns of a workload's table: what is shown of the paths that have figures, on a terminal and
//! on a page. A column that no path has something for is left out.

use super::figures::Figures;
use super::result::{Comparison, PathResult, Ratio};
use crate::table::{bytes, duration};

/// Columns that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Group {
    /// How fast.
    Speed,
    /// What it takes, an operation.
    Costs,
}

/// A column, with a cell for each path that has figures.
pub(super) struct Column {
    pub(super) head: String,
    /// What it says, in a line.
    pub(super) about: String,
    pub(super) group: Group,
    pub(super) cells: Vec<String>,
}

/// What stands where a path has nothing to say.
const NOTHING: &str = "-";

struct Kind {
    head: &'static str,
    about: &'static str,
    group: Group,
    cell: fn(&PathResult, &Figures) -> Option<String>,
}

const KINDS: &[Kind] = &[
    Kind {
        head: "time",
        about: "time of an operation, the median of the runs",
        group: Group::Speed,
        cell: |_, figures| Some(ns(figures.operation_ns.median)),
    },
    Kind {
        head: "least to most",
        about: "its spread over the runs",
        group: Group::Speed,
        cell: |_, figures| {
            let time = &figures.operation_ns;
            Some(format!("{} to {}", ns(time.min), ns(time.max)))
        },
    },
    Kind {
        head: "p99",
        about: "time within which 99 of 100 single operations were done",
        group: Group::Speed,
        cell: |_, figures| Some(ns(figures.latency.as_ref()?.p99_ns)),
    },
    Kind {
        head: "ops/s",
        about: "operations a second",
        group: Group::Speed,
        cell: |_, figures| Some(count(figures.operations_per_second.median)),
    },
    Kind {
        head: "MiB/s",
        about: "data a second",
        group: Group::Speed,
        cell: |_, figures| Some(count(figures.bytes_per_second?.median / f64::from(1 << 20))),
    },
    Kind {
        head: "ratio",
        about: "operations a second beside the best emulated path (the slowest, if none is \
                emulated), which is marked =; ~1 where there is no difference beyond the spread",
        group: Group::Speed,
        cell: |path, _| path.ratio.map(ratio),
    },
    Kind {
        head: "exits",
        about: "exits to userspace",
        group: Group::Costs,
        cell: |_, figures| Some(count(figures.exits)),
    },
    Kind {
        head: "to KVM",
        about: "exits to KVM, most of which it handles itself",
        group: Group::Costs,
        cell: |_, figures| figures.kernel.get("exits").map(|exits| count(*exits)),
    },
    Kind {
        head: "by KVM",
        about: "instructions that KVM interprets; on software KVM all of the guest's kernel",
        group: Group::Costs,
        cell: |_, figures| {
            let interpreted = figures.kernel.get("insn_emulation");
            interpreted.map(|instructions| count(*instructions))
        },
    },
    Kind {
        head: "accesses",
        about: "accesses to device registers that userspace sees",
        group: Group::Costs,
        cell: |_, figures| Some(count(figures.accesses)),
    },
    Kind {
        head: "by book",
        about: "accesses by the textbook, doorbells among them",
        group: Group::Costs,
        cell: |path, _| Some(count(path.textbook_accesses? as f64)),
    },
    Kind {
        head: "bells",
        about: "doorbells that KVM hands to the device's thread, which are no exits to userspace",
        group: Group::Costs,
        cell: |_, figures| Some(count(figures.doorbells)),
    },
    Kind {
        head: "irqs",
        about: "interrupts of devices",
        group: Group::Costs,
        cell: |_, figures| Some(count(figures.interrupts)),
    },
    Kind {
        head: "copies",
        about: "how often a processor moves each byte between the program and the host's end",
        group: Group::Costs,
        cell: |path, _| path.copies.map(|copies| copies.to_string()),
    },
    Kind {
        head: "user",
        about: "processor time of the host in user mode",
        group: Group::Costs,
        cell: |_, figures| Some(ns(figures.user_ns)),
    },
    Kind {
        head: "kernel",
        about: "processor time of the host's kernel; on software KVM, of the guest as well",
        group: Group::Costs,
        cell: |_, figures| Some(ns(figures.kernel_ns)),
    },
    Kind {
        head: "guest",
        about: "processor time of the guest, as the host counts it",
        group: Group::Costs,
        cell: |_, figures| Some(ns(figures.guest_ns)),
    },
];

/// Columns of a workload.
pub(super) fn columns(comparison: &Comparison) -> Vec<Column> {
    let measured: Vec<_> = comparison.measured().collect();
    let kinds = KINDS.iter().filter_map(|kind| {
        let cells = measured
            .iter()
            .map(|(path, figures)| (kind.cell)(path, figures));
        column(kind.head, kind.about, kind.group, cells.collect())
    });
    let mut names: Vec<&String> = measured.iter().flat_map(|(_, f)| f.more.keys()).collect();
    names.sort();
    names.dedup();
    let more = names.into_iter().filter_map(|name| {
        let cells = measured.iter().map(|(_, figures)| {
            let value = figures.more.get(name)?;
            Some(other(name, *value).1)
        });
        let head = other(name, 0.0).0.replace('_', " ");
        let about = "measured by the guest, an operation";
        column(&head, about, Group::Costs, cells.collect())
    });
    kinds.chain(more).collect()
}

fn column(head: &str, about: &str, group: Group, cells: Vec<Option<String>>) -> Option<Column> {
    if cells.iter().all(Option::is_none) {
        return None;
    }
    let cells = cells
        .into_iter()
        .map(|cell| cell.unwrap_or(NOTHING.to_owned()));
    Some(Column {
        head: head.to_owned(),
        about: about.to_owned(),
        group,
        cells: cells.collect(),
    })
}

/// For counts of more than five digits.
const SCALES: [(f64, &str); 4] = [(1e3, "k"), (1e6, "M"), (1e9, "G"), (1e12, "T")];
const FIVE_DIGITS: f64 = 99_999.5;

/// A count an operation in at most six characters.
pub(super) fn count(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        ..0.005 => "<0.01".to_owned(),
        ..9.995 => format!("{value:.2}"),
        ..99.95 => format!("{value:.1}"),
        ..FIVE_DIGITS => format!("{value:.0}"),
        _ => {
            let scaled = SCALES.map(|(scale, unit)| (value / scale, unit));
            let fits = scaled.into_iter().find(|(value, _)| *value < FIVE_DIGITS);
            fits.map_or(">1e17".to_owned(), |(value, unit)| {
                format!("{value:.0}{unit}")
            })
        }
    }
}

/// A time with its unit.
pub(super) fn ns(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        ..9.95 => format!("{value:.1} ns"),
        _ => duration(value as u64),
    }
}

/// A ratio.
pub(super) fn ratio(ratio: Ratio) -> String {
    match ratio {
        Ratio::Baseline => "=".to_owned(),
        Ratio::Same => "~1".to_owned(),
        Ratio::Times(times) => count(times),
    }
}

/// The end of a name, and how a value of that unit is written.
type Unit = (&'static str, fn(f64) -> String);

/// Units in which metrics of the guest's own are.
const UNITS: &[Unit] = &[("_ns", ns), ("_bytes", |value| bytes(value as u64))];

/// The name of such a metric without its unit, and its value.
fn other(name: &str, value: f64) -> (&str, String) {
    let mut units = UNITS.iter();
    let found = units.find_map(|(end, write)| Some((name.strip_suffix(end)?, write(value))));
    found.unwrap_or_else(|| (name, count(value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_times_stay_short() {
        let counts = [
            0.0, 0.001, 0.25, 12.34, 2063.0, 99_999.0, 123_456.0, 5e9, 3e14, 1e300,
        ]
        .map(count);
        let expected = [
            "0", "<0.01", "0.25", "12.3", "2063", "99999", "123k", "5000M", "300T", ">1e17",
        ];
        assert_eq!(counts, expected);
        let times = [0.0, 0.4, 22.0, 1500.0, 2e9].map(ns);
        assert_eq!(times, ["0", "0.4 ns", "22 ns", "1.50 us", "2.00 s"]);
    }

    #[test]
    fn a_metric_of_the_guest_has_the_unit_that_its_name_says() {
        assert_eq!(
            other("handler_ns", 1500.0),
            ("handler", "1.50 us".to_owned())
        );
        assert_eq!(
            other("given_bytes", 65536.0),
            ("given", "64.0 KiB".to_owned())
        );
        assert_eq!(
            other("page_faults", 512.0),
            ("page_faults", "512".to_owned())
        );
    }
}
