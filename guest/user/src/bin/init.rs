//! The first program: runs the suite of the initrd, check by check, and powers the machine off.
//!
//! The host reads the records that this program and the checks write. A check that ends without
//! its own record, is killed, or takes too long gets a failing one from here, so that there is
//! exactly one for each that was started.
#![no_std]
#![no_main]

use user::abi::image::SUITE;
use user::abi::record::{Outcome, Record, Subsystem};
use user::abi::syscall::{EndCause, Errno, ExitStatus, TaskAttribute};
use user::alloc::format;
use user::alloc::string::String;
use user::alloc::vec::Vec;
use user::check::{FAILED, PASSED, write_record};
use user::file::File;
use user::process::{self, Child};
use user::start::Args;
use user::time::MS;
use user::{println, sys};

user::program!(main);

/// Priority of a check at first.
const USUAL_PRIORITY: u64 = 3;
/// Priority of this program: no check keeps the processor from it for ever.
const HIGHEST_PRIORITY: u64 = 7;

/// Puts this program before all others, whatever scheduling policy a check chooses.
fn come_first() -> Result<(), Errno> {
    sys::set_priority(HIGHEST_PRIORITY)?;
    // A deadline that is always the earliest. Children have none.
    sys::set_task(TaskAttribute::Deadline, 1)
}

/// A line of the suite: `ID SUBSYSTEM TIMEOUT_MS PROGRAM [ARGUMENT]...`.
struct Entry<'a> {
    id: &'a str,
    subsystem: Subsystem,
    timeout_ms: u64,
    program: &'a str,
    args: Vec<&'a str>,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        Some(Self {
            id: words.next()?,
            subsystem: Subsystem::from_name(words.next()?)?,
            timeout_ms: words.next()?.parse().ok()?,
            program: words.next()?,
            args: words.collect(),
        })
    }

    /// Starts the check, waits for it, and has it reported; whether it passed.
    fn run(&self) -> Result<bool, Errno> {
        write_record(&Record::Start { id: self.id })?;
        let ended = self.start().and_then(|child| self.wait(&child));
        let complaint = match ended {
            Ok(Ok(PASSED)) => return Ok(true),
            Ok(Ok(FAILED)) => return Ok(false),
            Ok(Ok(process::EXEC_FAILED)) => format!("there is no program {}", self.program),
            Ok(Ok(code)) => format!("ended with code {code} without a report"),
            Ok(Err(complaint)) => complaint,
            Err(errno) => format!("could not be started or waited for: {errno:?}"),
        };
        report_failure(self.id, self.subsystem, &complaint)?;
        Ok(false)
    }

    fn start(&self) -> Result<Child, Errno> {
        let mut args = format!("{}\0{}", self.id, self.subsystem.name());
        for arg in &self.args {
            args.push('\0');
            args.push_str(arg);
        }
        let path = format!("bin/{}", self.program);
        Child::fork(|| {
            if sys::set_priority(USUAL_PRIORITY).is_ok() {
                sys::exec(&path, &args);
            }
            process::EXEC_FAILED
        })
    }

    /// The exit code, or what else became of it.
    fn wait(&self, child: &Child) -> Result<Result<i32, String>, Errno> {
        let status = match child.wait(self.timeout_ms.saturating_mul(MS)) {
            Ok(status) => status,
            Err(Errno::TimedOut) => {
                child.kill()?;
                return Ok(Err(format!("not done after {} ms", self.timeout_ms)));
            }
            Err(errno) => return Err(errno),
        };
        Ok(process::exit_code(status).ok_or_else(|| describe(status)))
    }
}

fn describe(status: ExitStatus) -> String {
    let detail = status.detail;
    match process::cause(status) {
        Some(EndCause::PageFault) => format!("killed by a page fault at {detail:#x}"),
        Some(EndCause::Exception) => format!("killed by processor exception {detail}"),
        Some(EndCause::OutOfMemory) => "killed for want of memory".into(),
        Some(EndCause::Killed) => "killed".into(),
        Some(EndCause::Signal) => format!("ended by signal {detail}"),
        Some(EndCause::Exited) | None => format!("ended in a way unknown here: {status:?}"),
    }
}

fn report_failure(id: &str, subsystem: Subsystem, detail: &str) -> Result<(), Errno> {
    let outcome = Outcome::Fail;
    write_record(&Record::Check {
        id,
        subsystem,
        outcome,
        detail,
        metrics: &[],
    })
}

/// Runs all checks of `suite`; the numbers of passed and failed ones.
fn run_suite(suite: &str) -> Result<(u64, u64), Errno> {
    let stripped = suite
        .lines()
        .map(|line| line.split('#').next().unwrap_or("").trim());
    let lines: Vec<&str> = stripped.filter(|line| !line.is_empty()).collect();
    write_record(&Record::Plan {
        checks: lines.len() as u64,
    })?;
    let (mut passed, mut failed) = (0, 0);
    for line in lines {
        let well = match Entry::parse(line) {
            Some(entry) => entry.run()?,
            None => {
                complain(&format!(
                    "not ID SUBSYSTEM TIMEOUT_MS PROGRAM [ARGUMENT]...: {line}"
                ))?;
                false
            }
        };
        *(if well { &mut passed } else { &mut failed }) += 1;
    }
    Ok((passed, failed))
}

/// A failing check for what is wrong with the suite itself.
fn complain(detail: &str) -> Result<(), Errno> {
    write_record(&Record::Start { id: SUITE })?;
    report_failure(SUITE, Subsystem::Scheduling, detail)
}

fn suite_or_complaint() -> Result<(u64, u64), Errno> {
    match File::open(SUITE).and_then(|file| file.read_text()) {
        Ok(suite) if !suite.trim().is_empty() => run_suite(&suite),
        Ok(_) => no_suite("the initrd's member `suite` is empty"),
        Err(errno) => no_suite(&format!(
            "the initrd's member `suite` cannot be read: {errno:?}"
        )),
    }
}

fn no_suite(detail: &str) -> Result<(u64, u64), Errno> {
    write_record(&Record::Plan { checks: 1 })?;
    complain(detail)?;
    Ok((0, 1))
}

fn main(_args: Args) -> i32 {
    let ended = come_first().and_then(|()| suite_or_complaint());
    let ended = ended.and_then(|(passed, failed)| {
        write_record(&Record::End { passed, failed })?;
        Ok(u64::from(failed > 0 || passed == 0))
    });
    let code = ended.unwrap_or_else(|errno| {
        println!("init: the suite cannot go on: {errno:?}");
        1
    });
    let errno = sys::power_off(code);
    println!("init: power-off refused: {errno:?}");
    1
}
