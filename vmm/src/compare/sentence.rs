//! What makes the difference between two paths, in a sentence that their counts make.

use super::columns::count;
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

fn sentence((fast, best): &Measured<'_>, (slow, worst): &Measured<'_>) -> String {
    let (fast, slow) = (fast.path, slow.path);
    if best.operation_ns.overlaps(&worst.operation_ns) {
        return format!("Between {fast} and {slow} there is no difference beyond their spread.");
    }
    let times = count(worst.operation_ns.median / best.operation_ns.median);
    format!(
        "{fast} is {times} times as fast as {slow}: {}.",
        reason((fast, best), (slow, worst))
    )
}

/// A count an operation that can make the difference.
struct Cause {
    what: &'static str,
    of: fn(&Figures) -> f64,
    /// Kinds of it, which may explain more.
    by: fn(&Figures) -> Option<(&str, f64)>,
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
    },
    Cause {
        what: "register accesses",
        of: |figures| figures.accesses,
        by: |_| None,
    },
    Cause {
        what: "interrupts",
        of: |figures| figures.interrupts,
        by: |_| None,
    },
    Cause {
        what: "doorbells",
        of: |figures| figures.doorbells,
        by: |_| None,
    },
    Cause {
        what: "page faults",
        of: |figures| figures.more.get("page_faults").copied().unwrap_or(0.0),
        by: |_| None,
    },
    Cause {
        what: "exits to KVM",
        of: |figures| figures.kernel.get("exits").copied().unwrap_or(0.0),
        by: |_| None,
    },
];

/// A fifth more, and more than one in ten operations.
fn differs(fewer: f64, more: f64) -> bool {
    more > fewer * 1.2 && more - fewer > 0.1
}

/// The first count of which the slower path has more; else where its time goes.
fn reason((fast, best): (&str, &Figures), (slow, worst): (&str, &Figures)) -> String {
    let pairs = CAUSES
        .iter()
        .map(|cause| (cause, (cause.of)(best), (cause.of)(worst)));
    let more = pairs.clone().find(|(_, few, many)| differs(*few, *many));
    if let Some((cause, few, many)) = more {
        let (what, few, all) = (cause.what, count(few), count(many));
        let of = (cause.by)(worst).map(|(name, n)| format!(", of which {} {name}", count(n)));
        let of = of.unwrap_or_default();
        return format!("{few} {what} an operation against {all}{of}");
    }
    let time = time_reason(best, worst);
    let against = pairs.clone().find(|(_, few, many)| differs(*many, *few));
    match against {
        Some((cause, few, many)) => format!(
            "not for its {} ({} an operation against {}), but {time}",
            cause.what,
            count(few),
            count(many)
        ),
        None => format!("exits, accesses and interrupts of {fast} and {slow} are as many; {time}"),
    }
}

/// Which part of the time grows most.
fn time_reason(best: &Figures, worst: &Figures) -> String {
    let (Some(few), Some(many)) = (best.split, worst.split) else {
        return "each takes less time".to_owned();
    };
    let parts = [
        ("in the guest and KVM", few.guest_ns, many.guest_ns),
        ("handling exits", few.exits_ns, many.exits_ns),
        ("waiting", few.waiting_ns, many.waiting_ns),
    ];
    let most = parts
        .into_iter()
        .max_by(|a, b| (a.2 - a.1).total_cmp(&(b.2 - b.1)));
    let Some((what, few, many)) = most else {
        return String::new();
    };
    let ns = super::columns::ns;
    format!("{} an operation {what} against {}", ns(few), ns(many))
}
