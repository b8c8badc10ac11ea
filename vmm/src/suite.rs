//! The built-in guest's suite as the host sees it: who reported what, and who did not.
//!
//! [`SuiteLog`] listens to the console stream and tells a [`Progress`] what happens; at the end
//! [`SuiteLog::finish`] gives one [`CheckResult`] for each check of the plan.

use crate::accounting::ExitStats;
use crate::guest::PlannedCheck;
use crate::stream::{Listener, Received, Splitter};
use abi::image::SUITE;
use abi::metric::STREAMED_BYTES;
use abi::record::{Outcome, Parsed, Subsystem};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

/// What a check has found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CheckResult {
    /// Its name.
    pub id: String,
    /// What it is about.
    pub subsystem: Subsystem,
    /// Whether it holds.
    pub outcome: Outcome,
    /// Empty, or what went wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What was measured; the host adds `exits` and `took_ns`, from start to result.
    pub metrics: BTreeMap<String, u64>,
    /// What it has said beside them.
    #[serde(flatten)]
    pub said: Said,
}

/// Rows of numbers that a check has reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Series {
    /// What the numbers of the first column stand for, from 0 on, if they stand for something.
    pub labels: Vec<String>,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// The numbers, row by row.
    pub numbers: Vec<u64>,
}

impl Series {
    /// The rows, each as long as there are columns.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.numbers.chunks_exact(self.columns.len().max(1))
    }
}

/// What a check has said beside its result.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Said {
    /// Lines for people, and programs that the kernel has killed meanwhile.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
    /// Rows of numbers, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub series: BTreeMap<String, Series>,
    /// How many numbers there are in all of them.
    #[serde(skip)]
    numbers: usize,
}

/// Most that a check may say: it is the guest that says it.
const MAX_LINES: usize = 1000;
const MAX_SERIES: usize = 100;
const MAX_NUMBERS: usize = 1 << 20;

impl Said {
    fn line(&mut self, text: String) {
        if self.lines.len() < MAX_LINES {
            self.lines.push(text);
        }
    }

    /// Rows that go on those of the same name.
    fn rows(&mut self, name: String, part: Series) {
        self.numbers += part.numbers.len();
        let is_new = !self.series.contains_key(&name);
        if self.numbers > MAX_NUMBERS || is_new && self.series.len() >= MAX_SERIES {
            return;
        }
        let series = self.series.entry(name).or_default();
        series.numbers.extend(part.numbers);
        (series.labels, series.columns) = (part.labels, part.columns);
    }
}

/// The guest's kernel has panicked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestPanic {
    /// What happened.
    pub message: String,
    /// Processor.
    pub cpu: u64,
    /// Registers.
    pub registers: BTreeMap<String, u64>,
    /// Return addresses, innermost first.
    pub backtrace: Vec<u64>,
}

/// Is told what happens while it happens.
pub trait Progress: Send {
    /// The guest has written text.
    fn text(&mut self, bytes: &[u8]);
    /// A check has started.
    fn started(&mut self, id: &str);
    /// A check has ended.
    fn ended(&mut self, result: &CheckResult);
    /// Something that is worth a line.
    fn note(&mut self, line: &str);
}

/// Exit counters of a machine's vCPUs, once it has started.
pub type ExitCounters = Arc<OnceLock<Vec<Arc<ExitStats>>>>;

/// What the guest has reported.
pub struct SuiteLog {
    plan: Vec<PlannedCheck>,
    results: Vec<CheckResult>,
    streams: HashMap<String, Received>,
    said: HashMap<String, Said>,
    /// The check that has started last.
    current: Option<String>,
    counters: ExitCounters,
    exits_at_start: u64,
    started: Instant,
    panic: Option<GuestPanic>,
    progress: Box<dyn Progress>,
}

impl SuiteLog {
    /// A log for these checks.
    pub fn new(
        plan: Vec<PlannedCheck>,
        counters: ExitCounters,
        progress: Box<dyn Progress>,
    ) -> Self {
        Self {
            plan,
            results: Vec::new(),
            streams: HashMap::new(),
            said: HashMap::new(),
            current: None,
            counters,
            exits_at_start: 0,
            started: Instant::now(),
            panic: None,
            progress,
        }
    }

    fn exits(&self) -> u64 {
        self.counters
            .get()
            .map_or(0, |vcpus| vcpus.iter().map(|vcpu| vcpu.total()).sum())
    }

    /// The results in the order of the plan, those that never came as failures.
    pub fn finish(&mut self) -> (Vec<CheckResult>, Option<GuestPanic>) {
        let mut results = std::mem::take(&mut self.results);
        for check in &self.plan {
            if !results.iter().any(|result| result.id == check.id) {
                results.push(CheckResult {
                    id: check.id.clone(),
                    subsystem: check.subsystem,
                    outcome: Outcome::Fail,
                    detail: "no result: the guest ended before it".to_owned(),
                    metrics: BTreeMap::new(),
                    said: Said::default(),
                });
            }
        }
        let place = |id: &str| self.plan.iter().position(|check| check.id == id);
        results.sort_by_key(|result| place(&result.id).unwrap_or(usize::MAX));
        (results, self.panic.take())
    }

    /// Whether a check of that name may report. The guest's `init` may complain of the suite itself.
    fn expected(&self, id: &str) -> bool {
        id == SUITE || self.plan.iter().any(|check| check.id == id)
    }

    /// Holds what the guest says against what the host received.
    fn judge(&mut self, mut result: CheckResult) {
        let took_ns = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let exits = self.exits() - self.exits_at_start;
        let measured = [("took_ns", took_ns), ("exits", exits)];
        result
            .metrics
            .extend(measured.map(|(name, value)| (name.to_owned(), value)));
        if let Some(received) = self.streams.get(&result.id).filter(|r| !r.intact()) {
            result.outcome = Outcome::Fail;
            result.detail = format!(
                "the host received {} of {} bytes, checksum {}",
                received.bytes,
                received.expected_bytes,
                if received.crc_matches {
                    "right"
                } else {
                    "wrong"
                },
            );
        }
        let streamed = result.metrics.get(STREAMED_BYTES).copied();
        let received = self.streams.get(&result.id).map_or(0, |r| r.bytes);
        if result.outcome == Outcome::Pass
            && let Some(sent) = streamed.filter(|sent| *sent != received)
        {
            result.outcome = Outcome::Fail;
            result.detail = format!("the host received {received} of {sent} bytes");
        }
        if !self.expected(&result.id) {
            self.progress
                .note(&format!("{}: not in the suite; left out", result.id));
            return;
        }
        if self.results.iter().any(|earlier| earlier.id == result.id) {
            self.progress.note(&format!(
                "{}: reported twice; the first result counts",
                result.id
            ));
            return;
        }
        if let Some(said) = self.said.remove(&result.id) {
            result.said = said;
        }
        self.progress.ended(&result);
        self.results.push(result);
    }
}

impl Listener for SuiteLog {
    fn text(&mut self, bytes: &[u8]) {
        self.progress.text(bytes);
    }

    fn record(&mut self, record: Parsed) {
        match record {
            Parsed::Boot {
                cpus,
                clock,
                sched,
                replacement,
                ..
            } => {
                log::info!("guest: {cpus} processors, clock {clock}, {sched}, {replacement}");
            }
            Parsed::Plan { checks } => {
                if checks != self.plan.len() as u64 {
                    let planned = self.plan.len();
                    self.progress
                        .note(&format!("the guest has {checks} checks, not {planned}"));
                }
            }
            Parsed::Start { id } => {
                self.exits_at_start = self.exits();
                self.started = Instant::now();
                self.progress.started(&id);
                self.current = Some(id).filter(|id| self.expected(id));
            }
            Parsed::Check {
                id,
                subsystem,
                outcome,
                detail,
                metrics,
            } => {
                self.judge(CheckResult {
                    id,
                    subsystem,
                    outcome,
                    detail,
                    metrics,
                    said: Said::default(),
                });
            }
            Parsed::Line { id, text } if self.expected(&id) => {
                self.said.entry(id).or_default().line(text);
            }
            Parsed::Series {
                id,
                name,
                labels,
                columns,
                rows,
            } if self.expected(&id) => {
                let series = Series {
                    labels,
                    columns,
                    numbers: rows,
                };
                self.said.entry(id).or_default().rows(name, series);
            }
            Parsed::Killed {
                pid,
                program,
                cause,
                detail,
                rip,
            } => {
                let line = format!("killed {program} ({pid}): {cause} {detail:#x} at {rip:#x}");
                log::info!("guest: {line}");
                if let Some(id) = self.current.clone() {
                    self.said.entry(id).or_default().line(line);
                }
            }
            Parsed::Panic {
                message,
                cpu,
                registers,
                backtrace,
            } => {
                self.panic = Some(GuestPanic {
                    message,
                    cpu,
                    registers,
                    backtrace,
                });
            }
            // The splitter keeps streams to itself; End adds nothing to the results; who is not in
            // the suite has nothing to say.
            Parsed::Line { .. }
            | Parsed::Series { .. }
            | Parsed::StreamBegin { .. }
            | Parsed::StreamEnd { .. }
            | Parsed::End { .. } => {}
        }
    }

    fn stream(&mut self, id: &str, received: Received) {
        let damaged = self
            .streams
            .get(id)
            .is_some_and(|earlier| !earlier.intact());
        if self.expected(id) && !damaged {
            self.streams.insert(id.to_owned(), received);
        }
    }
}

/// A console of the built-in guest, whose output the log hears.
pub(crate) struct LogSink(Splitter<Arc<Mutex<SuiteLog>>>);

impl LogSink {
    /// One of the consoles that write to `log`.
    pub(crate) fn new(log: Arc<Mutex<SuiteLog>>) -> Self {
        Self(Splitter::new(log))
    }
}

impl Write for LogSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.feed(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Both consoles of a guest write to one log.
impl Listener for Arc<Mutex<SuiteLog>> {
    fn text(&mut self, bytes: &[u8]) {
        lock(self).text(bytes);
    }

    fn record(&mut self, record: Parsed) {
        lock(self).record(record);
    }

    fn stream(&mut self, id: &str, received: Received) {
        lock(self).stream(id, received);
    }
}

fn lock(log: &Mutex<SuiteLog>) -> MutexGuard<'_, SuiteLog> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
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
}
