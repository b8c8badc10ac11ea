//! What a check of a suite is made of: figures measured, a verdict, and the record of both.
//!
//! A check is a program that `init` starts with `ID SUBSYSTEM [ARGUMENT]...`. It says
//! `user::check!(run)` with `fn run(&mut Check) -> Verdict`. Its exit code tells `init` that the
//! record has been written: [`PASSED`] or [`FAILED`]; with any other end `init` writes one.

use crate::file::{File, STDOUT};
use crate::start::Args;
use abi::record::{MAX_RECORD_BYTES, Outcome, Record, Subsystem};
use abi::syscall::Errno;
use alloc::borrow::Cow;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

/// Exit code: the check has reported that it passed.
pub const PASSED: i32 = 0;
/// Exit code: the check has reported that it failed.
pub const FAILED: i32 = 1;
/// Exit code: the check was started with arguments that name no check.
pub const NOT_A_CHECK: i32 = 2;

/// Why a check fails.
#[derive(Debug)]
pub struct Failure(pub String);

/// How a check ends.
pub type Verdict = Result<(), Failure>;

impl From<&str> for Failure {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// Says what was tried when a system call fails.
pub trait Context<T> {
    /// A failure "`what`: the error".
    fn context(self, what: &str) -> Result<T, Failure>;
}

impl<T> Context<T> for Result<T, Errno> {
    fn context(self, what: &str) -> Result<T, Failure> {
        self.map_err(|errno| Failure(alloc::format!("{what}: {errno:?}")))
    }
}

/// Ends the check with a failure unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($format:tt)+) => {
        if !$condition {
            return Err($crate::check::Failure($crate::alloc::format!($($format)+)));
        }
    };
}

/// A check under way.
pub struct Check {
    id: &'static str,
    subsystem: Subsystem,
    args: Args,
    metrics: Vec<(Cow<'static, str>, u64)>,
}

/// Of a record, so much is for rows; the rest is for names.
const ROW_BYTES: usize = MAX_RECORD_BYTES / 4 * 3;
/// Most that a number takes, its comma included.
const NUMBER_BYTES: usize = 21;

/// Arguments before a check's own: path, id, subsystem.
const OWN_ARGS: usize = 3;

impl Check {
    fn from_args(args: Args) -> Option<Self> {
        let subsystem = Subsystem::from_name(args.get(2)?)?;
        Some(Self {
            id: args.get(1)?,
            subsystem,
            args,
            metrics: Vec::new(),
        })
    }

    /// Its name in the suite.
    pub fn id(&self) -> &'static str {
        self.id
    }

    /// Argument `index` of those that the suite gives it.
    pub fn arg(&self, index: usize) -> Option<&'static str> {
        self.args.get(OWN_ARGS + index)
    }

    /// That argument as a number.
    pub fn number(&self, index: usize) -> Option<u64> {
        self.arg(index)?.parse().ok()
    }

    /// The argument `NAME=VALUE` of that name; the last one, if it stands several times.
    pub fn named(&self, name: &str) -> Option<&'static str> {
        self.named_all()
            .filter(|named| named.0 == name)
            .last()
            .map(|named| named.1)
    }

    /// All arguments `NAME=VALUE`, in their order.
    pub fn named_all(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let args = (OWN_ARGS..self.args.len()).filter_map(|index| self.args.get(index));
        args.filter_map(|arg| arg.split_once('='))
    }

    /// A named argument that is needed.
    pub fn text(&self, name: &str) -> Result<&'static str, Failure> {
        let text = self.named(name);
        text.ok_or_else(|| Failure(alloc::format!("there is no argument {name}=...")))
    }

    /// A named argument that is a number and needed.
    pub fn value(&self, name: &str) -> Result<u64, Failure> {
        let text = self.text(name)?;
        text.parse()
            .map_err(|_| Failure(alloc::format!("{name}={text} is no number")))
    }

    /// A named argument that is a number, or `usual` where it is not given.
    pub fn value_or(&self, name: &str, usual: u64) -> Result<u64, Failure> {
        match self.named(name) {
            Some(_) => self.value(name),
            None => Ok(usual),
        }
    }

    /// Says a line beside the figures.
    pub fn line(&self, text: &str) -> Verdict {
        write_record(&Record::Line { id: self.id, text }).context("a line")
    }

    /// Reports rows of numbers, `columns.len()` to a row; `labels` are what the numbers of the
    /// first column stand for, if they stand for something.
    pub fn series(&self, name: &str, labels: &[&str], columns: &[&str], rows: &[u64]) -> Verdict {
        let part = ROW_BYTES / NUMBER_BYTES / columns.len().max(1) * columns.len().max(1);
        for rows in rows.chunks(part) {
            write_record(&Record::Series {
                id: self.id,
                name,
                labels,
                columns,
                rows,
            })
            .context("a series")?;
        }
        Ok(())
    }

    /// Notes a figure; the name carries the unit.
    pub fn metric(&mut self, name: impl Into<Cow<'static, str>>, value: u64) {
        self.metrics.push((name.into(), value));
    }

    fn report(&self, verdict: &Verdict) -> i32 {
        let (outcome, detail, code) = match verdict {
            Ok(()) => (Outcome::Pass, "", PASSED),
            Err(Failure(text)) => (Outcome::Fail, text.as_str(), FAILED),
        };
        let metrics = self.metrics.iter();
        let metrics: Vec<_> = metrics.map(|(name, value)| (&**name, *value)).collect();
        write_record(&Record::Check {
            id: self.id,
            subsystem: self.subsystem,
            outcome,
            detail,
            metrics: &metrics,
        })
        .map_or(NOT_A_CHECK, |()| code)
    }
}

/// Writes a record with one system call, so that it is not mixed with others' output.
pub fn write_record(record: &Record<'_>) -> Result<(), Errno> {
    write_record_to(&STDOUT, record)
}

/// The same to another console.
pub fn write_record_to(console: &File, record: &Record<'_>) -> Result<(), Errno> {
    console.write_all(record.to_string().as_bytes())
}

/// Runs `body` as the check that `args` name and reports it; the exit code.
pub fn run(args: Args, body: fn(&mut Check) -> Verdict) -> i32 {
    let Some(mut check) = Check::from_args(args) else {
        println!("this program is a check: start it with ID SUBSYSTEM [ARGUMENT]...");
        return NOT_A_CHECK;
    };
    let verdict = body(&mut check);
    check.report(&verdict)
}

/// Declares `fn(&mut Check) -> Verdict` as the check that the program is.
#[macro_export]
macro_rules! check {
    ($body:path) => {
        fn main(args: $crate::start::Args) -> i32 {
            $crate::check::run(args, $body)
        }
        $crate::program!(main);
    };
}
