//! What makes the difference between two paths, in a sentence that their counts make.

use super::columns::{count, ns};
use super::figures::Figures;
use super::result::{Comparison, PathResult};
use super::workload::Model;

type Measured<'a> = (&'a PathResult, &'a Figures);

/// The fastest path beside the slowest; and, if those are others, the best paravirtual or direct
/// one beside the best emulated one.
pub(super) fn sentences(comparison: &Comparison) -> Vec<String> {
    let mut all: Vec<Measured<'_>> = comparison.measured().collect();
    all.sort_by(|a, b| a.1.operation_ns.median.total_cmp(&b.1.operation_ns.median));
    let (Some(best), Some(worst)) = (all.first(), all.last()) else {
        return Vec::new();
    };
    let mut pairs = vec![(best, worst)];
    let is_emulated = |path: &&Measured<'_>| path.0.model == Model::Emulated;
    let emulated = all.iter().find(is_emulated);
    let other = all.iter().find(|path| !is_emulated(path));
    if let (Some(emulated), Some(other)) = (emulated, other) {
        let time = |path: &Measured<'_>| path.1.operation_ns.median;
        let in_order = time(other) <= time(emulated);
        let pair = if in_order {
            (other, emulated)
        } else {
            (emulated, other)
        };
        pairs.push(pair);
    }
    let name = |(fast, slow): &(&Measured<'_>, &Measured<'_>)| (fast.0.path, slow.0.path);
    pairs.dedup_by_key(|pair| name(pair));
    pairs.retain(|pair| pair.0.0.path != pair.1.0.path);
    pairs
        .into_iter()
        .map(|(fast, slow)| sentence(fast, slow))
        .collect()
}

fn sentence(best: &Measured<'_>, worst: &Measured<'_>) -> String {
    let (fast, slow) = (best.0.path, worst.0.path);
    let (less, more) = (best.1.operation_ns, worst.1.operation_ns);
    if less.overlaps(&more) {
        return format!("Between {fast} and {slow} there is no difference beyond their spread.");
    }
    let times = count(more.median / less.median);
    let reason = reason(best, worst);
    format!("{fast} is {times} times as fast as {slow}: {reason}.")
}

/// A count an operation that can make the difference.
struct Cause {
    what: &'static str,
    of: fn(&Figures) -> f64,
    /// Kinds of it, which may explain more.
    by: fn(&Figures) -> Option<(&str, f64)>,
    /// More than one costs, even on a nested host with other work, where an exit to userspace takes
    /// several times the 43 us of an idle one.
    at_most_ns: f64,
}

/// The costliest first.
const CAUSES: &[Cause] = &[
    Cause {
        what: "exits",
        of: |figures| figures.exits,
        by: |figures| {
            let top = figures.exits_by.iter().max_by(|a, b| a.1.total_cmp(b.1))?;
            Some((top.0, *top.1))
        },
        at_most_ns: 200_000.0,
    },
    Cause {
        what: "register accesses",
        of: |figures| figures.accesses,
        by: |_| None,
        at_most_ns: 50_000.0,
    },
    Cause {
        what: "interrupts",
        of: |figures| figures.interrupts,
        by: |_| None,
        at_most_ns: 400_000.0,
    },
    Cause {
        what: "doorbells",
        of: |figures| figures.doorbells,
        by: |_| None,
        at_most_ns: 100_000.0,
    },
    Cause {
        what: "page faults",
        of: |figures| figures.more.get("page_faults").copied().unwrap_or(0.0),
        by: |_| None,
        // Where KVM interprets the handler, which clears the page, too.
        at_most_ns: 20_000_000.0,
    },
    Cause {
        what: "exits to KVM",
        of: |figures| figures.kernel.get("exits").copied().unwrap_or(0.0),
        by: |_| None,
        at_most_ns: 200_000.0,
    },
];

/// Of a difference in time, what a cause must be able to make.
const WEIGHT: f64 = 0.2;

impl Cause {
    /// Whether so many more can be why an operation takes that much longer.
    fn weighs(&self, few: f64, many: f64, longer_ns: f64) -> bool {
        many > few * 1.2 && (many - few) * self.at_most_ns > longer_ns * WEIGHT
    }
}

/// The first count of which the slower path has more, if it can weigh that much; else where its
/// time goes. Then how often bytes are moved.
fn reason(best: &Measured<'_>, worst: &Measured<'_>) -> String {
    let counted = counts(best.1, worst.1);
    let reason = counted.unwrap_or_else(|| {
        let time = time(best.1, worst.1);
        format!(
            "not for the number of its exits, accesses, interrupts or doorbells, but for {time}"
        )
    });
    match (best.0.copies, worst.0.copies) {
        (Some(few), Some(many)) if few < many => {
            format!(
                "{reason}; each byte is moved {} against {}",
                times(few),
                times(many)
            )
        }
        _ => reason,
    }
}

fn times(count: u8) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

fn counts(best: &Figures, worst: &Figures) -> Option<String> {
    let longer_ns = worst.operation_ns.median - best.operation_ns.median;
    let pairs = CAUSES
        .iter()
        .map(|cause| (cause, (cause.of)(best), (cause.of)(worst)));
    let mut pairs = pairs.filter(|(cause, few, many)| cause.weighs(*few, *many, longer_ns));
    let (cause, few, many) = pairs.next()?;
    let (what, few, all) = (cause.what, count(few), count(many));
    let of = (cause.by)(worst).map(|(name, n)| format!(", of which {} {name}", count(n)));
    let of = of.unwrap_or_default();
    Some(format!("{few} {what} an operation against {all}{of}"))
}

/// The part of the time that grows most.
fn time(best: &Figures, worst: &Figures) -> String {
    let (Some(few), Some(many)) = (best.split, worst.split) else {
        return "what each of them takes".to_owned();
    };
    let parts = [
        ("in the guest and KVM", few.guest_ns, many.guest_ns),
        ("in exits", few.exits_ns, many.exits_ns),
        ("waiting", few.waiting_ns, many.waiting_ns),
    ];
    let growth = |part: &(&str, f64, f64)| part.2 - part.1;
    let most = parts
        .into_iter()
        .max_by(|a, b| growth(a).total_cmp(&growth(b)));
    most.map_or(String::new(), |(what, few, many)| {
        format!("{} an operation {what} against {}", ns(few), ns(many))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::result::PathOutcome;
    use crate::compare::testing::{comparison, figures, path};

    /// Two emulated paths, the first ten times as fast, after a change of the slow one's figures.
    fn said(change: impl Fn(&mut Figures)) -> String {
        let mut comparison = comparison();
        let mut slow = figures(10e6, 0.0);
        change(&mut slow);
        let measured = |figures| PathOutcome::Figures(Box::new(figures));
        comparison.paths = vec![
            path("fast", Model::Emulated, measured(figures(1e6, 0.0))),
            path("slow", Model::Emulated, measured(slow)),
        ];
        comparison.paths[1].copies = Some(3);
        sentences(&comparison).join("\n")
    }

    #[test]
    fn the_count_that_differs_is_named() {
        let said_of = |change: fn(&mut Figures)| {
            let said = said(change);
            let (_, reason) = said.split_once("as fast as slow: ").unwrap();
            reason.to_owned()
        };
        let moved = "; each byte is moved once against 3 times.";
        let exits = said_of(|slow| {
            slow.exits = 2000.0;
            slow.accesses = 9000.0;
        });
        assert!(
            exits.starts_with("0 exits an operation against 2000"),
            "{exits}"
        );
        let accesses = said_of(|slow| slow.accesses = 2056.0);
        assert_eq!(
            accesses,
            format!("0 register accesses an operation against 2056{moved}")
        );
        let interrupts = said_of(|slow| slow.interrupts = 33.0);
        assert_eq!(
            interrupts,
            format!("1.00 interrupts an operation against 33.0{moved}")
        );
    }

    #[test]
    fn a_count_too_small_for_the_difference_is_not_made_its_cause() {
        let said = said(|slow| slow.exits = 0.5);
        let time = "but for 500 us an operation in the guest and KVM against 5.00 ms; each byte";
        assert!(said.contains("not for the number of its exits"), "{said}");
        assert!(said.contains(time), "{said}");
    }

    #[test]
    fn one_path_alone_is_beside_nothing() {
        let mut comparison = comparison();
        comparison.paths.truncate(1);
        assert!(sentences(&comparison).is_empty());
    }
}
