//! Results of synthetic records.

use super::said::{MAX_LINES, MAX_NUMBERS};
use super::*;

struct Quiet;
impl Progress for Quiet {
    fn text(&mut self, _: &[u8]) {}
    fn started(&mut self, _: &str) {}
    fn ended(&mut self, _: &CheckResult) {}
    fn note(&mut self, _: &str) {}
}

fn log() -> SuiteLog {
    let plan = crate::guest::planned_checks(b"one io 1 a\ntwo memory 1 b # comment\n\n#x\n");
    SuiteLog::new(plan, ExitCounters::default(), Box::new(Quiet))
}

fn passed(id: &str) -> Parsed {
    let (id, metrics) = (id.to_owned(), BTreeMap::new());
    let (subsystem, outcome, detail) = (Subsystem::Io, Outcome::Pass, String::new());
    Parsed::Check {
        id,
        subsystem,
        outcome,
        detail,
        metrics,
    }
}

#[test]
fn a_check_that_never_reports_has_failed() {
    let mut log = log();
    log.record(passed("one"));
    let (results, _) = log.finish();
    let outcomes: Vec<_> = results.iter().map(|r| (r.id.as_str(), r.outcome)).collect();
    assert_eq!(outcomes, [("one", Outcome::Pass), ("two", Outcome::Fail)]);
}

#[test]
fn a_stream_that_came_damaged_fails_its_check_whatever_the_guest_says() {
    let mut log = log();
    log.stream(
        "one",
        Received {
            expected_bytes: 2,
            bytes: 2,
            crc_matches: false,
        },
    );
    log.record(passed("one"));
    assert_eq!(log.finish().0[0].outcome, Outcome::Fail);
}

#[test]
fn a_stream_that_is_said_to_have_gone_out_and_never_came_fails_its_check() {
    let streamed = |log: &mut SuiteLog, sent| {
        let mut record = passed("one");
        if let Parsed::Check { metrics, .. } = &mut record {
            metrics.insert(STREAMED_BYTES.to_owned(), sent);
        }
        log.record(record);
        log.finish().0[0].outcome
    };
    let received = |bytes, crc_matches| Received {
        expected_bytes: bytes,
        bytes,
        crc_matches,
    };
    assert_eq!(streamed(&mut log(), 2), Outcome::Fail);
    let mut short = log();
    short.stream("one", received(1, true));
    assert_eq!(streamed(&mut short, 2), Outcome::Fail);
    let mut damaged = log();
    damaged.stream("one", received(1, false));
    damaged.stream("one", received(2, true));
    assert_eq!(streamed(&mut damaged, 2), Outcome::Fail);
    let mut whole = log();
    whole.stream("one", received(1, true));
    whole.stream("one", received(2, true));
    assert_eq!(streamed(&mut whole, 2), Outcome::Pass);
}

#[test]
fn what_a_check_says_is_in_its_result_in_one_piece_and_within_bounds() {
    let mut log = log();
    let line = |id: &str| Parsed::Line {
        id: id.to_owned(),
        text: "safe: B, A".to_owned(),
    };
    let rows = |rows: Vec<u64>| Parsed::Series {
        id: "one".to_owned(),
        name: "slices".to_owned(),
        labels: vec!["A".to_owned()],
        columns: vec!["task".to_owned(), "from_ns".to_owned()],
        rows,
    };
    log.record(line("nobody"));
    (0..=MAX_LINES).for_each(|_| log.record(line("one")));
    log.record(rows(vec![0, 5, 0]));
    log.record(rows(vec![9, 1]));
    log.record(rows(vec![0; MAX_NUMBERS]));
    log.record(passed("one"));
    let said = &log.finish().0[0].said;
    assert_eq!(said.lines.len(), MAX_LINES);
    let rows: Vec<_> = said.series["slices"].rows().collect();
    assert_eq!(rows, [[0, 5], [0, 9]], "half a row at the end is none");
}

#[test]
fn a_second_result_changes_nothing() {
    let mut log = log();
    log.record(passed("two"));
    log.record(passed("two"));
    assert_eq!(log.finish().0.len(), 2);
}
