//! Results as text for an 80-column terminal.

use crate::accounting::ExitRow;
use crate::machine::Refused;
use crate::suite::{CheckResult, GuestPanic};
use abi::record::Outcome;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Widest line.
const COLUMNS: usize = 80;

/// A count or a time with its unit, as its metric's name says: `wait_ns` 1500 is `1.5 us`.
pub fn metric(name: &str, value: u64) -> String {
    match name.rsplit_once('_') {
        Some((what, "ns")) => format!("{what} {}", duration(value)),
        Some((what, "us")) => format!("{what} {}", duration(value.saturating_mul(1000))),
        Some((what, "bytes")) => format!("{what} {}", bytes(value)),
        _ => format!("{name} {value}"),
    }
    .replace('_', " ")
}

/// Nanoseconds in the unit that leaves three digits.
pub fn duration(ns: u64) -> String {
    scaled(
        ns,
        &[(1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us")],
        "ns",
    )
}

/// Bytes in the unit that leaves three digits.
pub fn bytes(count: u64) -> String {
    scaled(
        count,
        &[(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")],
        "B",
    )
}

fn scaled(value: u64, units: &[(u64, &str)], smallest: &str) -> String {
    let Some((size, unit)) = units.iter().find(|(size, _)| value >= *size) else {
        return format!("{value} {smallest}");
    };
    let (whole, part) = (value / size, value % size);
    match whole {
        0..10 => format!("{whole}.{:02} {unit}", part * 100 / size),
        10..100 => format!("{whole}.{} {unit}", part * 10 / size),
        _ => format!("{whole} {unit}"),
    }
}

/// Check, outcome, what was measured; then the sum.
pub fn checks(results: &[CheckResult]) -> String {
    let width = results
        .iter()
        .map(|r| r.id.len())
        .max()
        .unwrap_or(0)
        .max("check".len());
    let mut out = format!("{:width$}  outcome  measured\n", "check");
    for result in results {
        let outcome = if result.outcome == Outcome::Pass {
            "pass"
        } else {
            "FAIL"
        };
        let mut words: Vec<String> = Vec::new();
        if !result.detail.is_empty() {
            words.extend(result.detail.split_whitespace().map(str::to_owned));
        }
        let metrics = listed(&result.metrics);
        let head = format!("{:width$}  {outcome:7}  ", result.id);
        wrap(&mut out, &head, &words, &metrics);
    }
    let failed = results
        .iter()
        .filter(|r| r.outcome == Outcome::Fail)
        .count();
    let passed = results.len() - failed;
    let _ = writeln!(out, "{passed} checks passed, {failed} failed");
    out
}

/// Metrics as phrases, the host's last, with commas between.
fn listed(metrics: &BTreeMap<String, u64>) -> Vec<String> {
    let (host, guest): (Vec<_>, Vec<_>) = metrics
        .iter()
        .partition(|(name, _)| ["exits", "took_ns"].contains(&name.as_str()));
    let mut phrases: Vec<String> = guest
        .into_iter()
        .chain(host)
        .map(|(name, value)| metric(name, *value))
        .collect();
    let last = phrases.len().saturating_sub(1);
    phrases[..last]
        .iter_mut()
        .for_each(|phrase| phrase.push(','));
    phrases
}

/// Writes `head`, then phrases, on as many lines as they need, indented by `head`.
fn wrap(out: &mut String, head: &str, words: &[String], phrases: &[String]) {
    let indent = head.len();
    let mut line = head.to_owned();
    for piece in words.iter().chain(phrases) {
        if line.len() > indent && line.len() + 1 + piece.len() > COLUMNS {
            let _ = writeln!(out, "{}", line.trim_end());
            line = " ".repeat(indent);
        }
        if line.len() > indent {
            line.push(' ');
        }
        line.push_str(piece);
    }
    let _ = writeln!(out, "{}", line.trim_end());
}

/// Exits by kind and device: how many, and the time they took in userspace; after their sum,
/// likewise, writes that have waited for one.
pub fn exits(rows: &[ExitRow], coalesced: &[ExitRow]) -> String {
    let mut out = format!(
        "{:12} {:16} {:>10} {:>10} {:>10} {:>10}\n",
        "exit", "device", "count", "total", "p50", "p99"
    );
    rows.iter().for_each(|row| exit(&mut out, row));
    let count: u64 = rows.iter().map(|row| row.count).sum();
    let total: u64 = rows.iter().map(|row| row.total_ns).sum();
    let _ = writeln!(
        out,
        "{:12} {:16} {count:>10} {:>10}",
        "all",
        "",
        duration(total)
    );
    coalesced.iter().for_each(|row| exit(&mut out, row));
    out
}

fn exit(out: &mut String, row: &ExitRow) {
    let _ = writeln!(
        out,
        "{:12} {:16} {:>10} {:>10} {:>10} {:>10}",
        row.kind,
        row.device,
        row.count,
        duration(row.total_ns),
        duration(row.p50_ns),
        duration(row.p99_ns)
    );
}

/// What drivers did that was ignored, a line a device.
pub fn refused(refused: &[Refused]) -> String {
    let line = |r: &Refused| format!("{}: {} accesses or requests refused\n", r.device, r.count);
    refused.iter().map(line).collect()
}

/// A panic of the guest's kernel, addresses with their function where `symbol` knows it.
pub fn panic(panic: &GuestPanic, symbol: impl Fn(u64) -> Option<String>) -> String {
    let mut out = format!(
        "the guest's kernel panicked on cpu {}: {}\n",
        panic.cpu, panic.message
    );
    let registers: Vec<_> = panic.registers.iter().collect();
    for row in registers.chunks(3) {
        for (name, value) in row {
            let _ = write!(out, "  {name:>6} {value:016x}");
        }
        out.push('\n');
    }
    for address in &panic.backtrace {
        let name = symbol(*address).unwrap_or_default();
        let _ = writeln!(out, "  at {address:016x} {name}");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::suite::Said;
    use abi::record::Subsystem;

    #[test]
    fn times_and_sizes_keep_three_digits() {
        assert_eq!(metric("wait_ns", 1_500), "wait 1.50 us");
        assert_eq!(metric("copied_bytes", 64 << 10), "copied 64.0 KiB");
        assert_eq!(metric("page_faults", 12), "page faults 12");
        assert_eq!(duration(999), "999 ns");
        assert_eq!(duration(12_345_678), "12.3 ms");
        assert_eq!(duration(u64::MAX), "18446744073 s");
    }

    #[test]
    fn no_line_of_the_table_is_wider_than_the_terminal() {
        let metrics = (0..12)
            .map(|i| (format!("figure_number_{i}_ns"), 1 << (i * 3)))
            .collect();
        let result = CheckResult {
            id: "memory.evict-clock".to_owned(),
            subsystem: Subsystem::Memory,
            outcome: Outcome::Fail,
            detail: "word ".repeat(40),
            metrics,
            said: Said::default(),
        };
        let table = checks(&[result]);
        assert!(table.lines().all(|line| line.len() <= COLUMNS), "{table}");
        assert!(table.contains("FAIL") && table.ends_with("0 checks passed, 1 failed\n"));
    }
}
