//! The built-in guest's suite as the host sees it: who reported what, and who did not.
//!
//! [`SuiteLog`] listens to the console stream and tells a [`Progress`] what happens; at the end
//! [`SuiteLog::finish`] gives one [`CheckResult`] for each check of the plan.

mod said;

pub use said::{Said, Series};

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
mod tests;
