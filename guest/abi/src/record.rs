//! Results leave the guest as JSON text sequences (RFC 7464) in its console stream.
//!
//! A record is the byte [`RS`], one JSON object, the byte [`LF`]. The guest writes [`Record`]
//! with `Display`; the host reads [`Parsed`]. Everything between records is ordinary text.

use core::fmt::{self, Display, Formatter, Write};

/// Starts a record (RFC 7464 2.2).
pub const RS: u8 = 0x1e;
/// Ends a record.
pub const LF: u8 = b'\n';
/// A record that is longer is no record: the host shows it as text.
pub const MAX_RECORD_BYTES: usize = 16 * 1024;

/// Part of the kernel that a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "host",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Subsystem {
    /// Processes, threads, who runs when.
    Scheduling,
    /// Pages and address spaces.
    Memory,
    /// Devices.
    Io,
}

impl Subsystem {
    /// As it stands in records and suite files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scheduling => "scheduling",
            Self::Memory => "memory",
            Self::Io => "io",
        }
    }

    /// The subsystem of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Scheduling, Self::Memory, Self::Io]
            .into_iter()
            .find(|s| s.name() == name)
    }
}

/// What a check has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "host",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "lowercase")
)]
pub enum Outcome {
    /// What should hold, holds.
    Pass,
    /// It does not; `detail` says what was found instead.
    Fail,
}

/// A measured figure. Its name carries the unit: `wait_ns`, `faults`, `bytes`.
pub type Metric<'a> = (&'a str, u64);

/// A record as the guest writes it: `Display` gives the whole frame, RS and LF included.
#[derive(Clone, Copy, Debug)]
pub enum Record<'a> {
    /// The kernel is up.
    Boot {
        /// Processors running.
        cpus: u64,
        /// Memory in bytes.
        memory_bytes: u64,
        /// `kvmclock` or `pit`: what the timer was calibrated against.
        clock: &'a str,
        /// Scheduling policy.
        sched: &'a str,
        /// Replacement policy.
        replacement: &'a str,
    },
    /// A suite of so many checks follows.
    Plan {
        /// Number of checks.
        checks: u64,
    },
    /// A check starts.
    Start {
        /// Name of the check.
        id: &'a str,
    },
    /// A check has ended.
    Check {
        /// Name of the check.
        id: &'a str,
        /// What it is about.
        subsystem: Subsystem,
        /// What it found.
        outcome: Outcome,
        /// Empty, or what went wrong.
        detail: &'a str,
        /// What was measured.
        metrics: &'a [Metric<'a>],
    },
    /// A line that a check has to say beside its figures.
    Line {
        /// Name of the check.
        id: &'a str,
        /// What it says.
        text: &'a str,
    },
    /// Rows of numbers that a check's figures come from, or a part of them: those that follow under
    /// the same name go on from here.
    Series {
        /// Name of the check.
        id: &'a str,
        /// Of the rows.
        name: &'a str,
        /// What the numbers of the first column stand for, from 0 on; empty if they are just numbers.
        labels: &'a [&'a str],
        /// Names of the columns; as in a [`Metric`], they carry the unit.
        columns: &'a [&'a str],
        /// The numbers, row by row.
        rows: &'a [u64],
    },
    /// `bytes` raw bytes follow, which hold no RS; the host checks them and does not show them.
    StreamBegin {
        /// The check that they belong to.
        id: &'a str,
        /// How many.
        bytes: u64,
    },
    /// They have ended.
    StreamEnd {
        /// The check that they belong to.
        id: &'a str,
        /// Their [`crc32`].
        crc32: u32,
    },
    /// A process was killed by the kernel.
    Killed {
        /// Its number.
        pid: u64,
        /// Its program.
        program: &'a str,
        /// Why, in words.
        cause: &'a str,
        /// The faulting address or the vector.
        detail: u64,
        /// Where it was.
        rip: u64,
    },
    /// The suite has ended.
    End {
        /// Checks passed.
        passed: u64,
        /// Checks failed.
        failed: u64,
    },
    /// The kernel cannot go on.
    Panic {
        /// What happened.
        message: &'a str,
        /// Processor it happened on.
        cpu: u64,
        /// Registers by name: rip, rsp, cr2 and so on.
        registers: &'a [Metric<'a>],
        /// Return addresses, innermost first.
        backtrace: &'a [u64],
    },
}

impl Display for Record<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char(char::from(RS))?;
        let mut object = Object {
            out: f,
            first: true,
        };
        match *self {
            Self::Boot {
                cpus,
                memory_bytes,
                clock,
                sched,
                replacement,
            } => {
                object.string("type", "boot")?;
                object.number("cpus", cpus)?;
                object.number("memory_bytes", memory_bytes)?;
                object.string("clock", clock)?;
                object.string("sched", sched)?;
                object.string("replacement", replacement)?;
            }
            Self::Plan { checks } => {
                object.string("type", "plan")?;
                object.number("checks", checks)?;
            }
            Self::Start { id } => {
                object.string("type", "start")?;
                object.string("id", id)?;
            }
            Self::Check {
                id,
                subsystem,
                outcome,
                detail,
                metrics,
            } => {
                object.string("type", "check")?;
                object.string("id", id)?;
                object.string("subsystem", subsystem.name())?;
                object.string(
                    "outcome",
                    if outcome == Outcome::Pass {
                        "pass"
                    } else {
                        "fail"
                    },
                )?;
                object.string("detail", detail)?;
                object.numbers("metrics", metrics)?;
            }
            Self::Line { id, text } => {
                object.string("type", "line")?;
                object.string("id", id)?;
                object.string("text", text)?;
            }
            Self::Series {
                id,
                name,
                labels,
                columns,
                rows,
            } => {
                object.string("type", "series")?;
                object.string("id", id)?;
                object.string("name", name)?;
                object.list("labels", labels, |out, label| write_string(out, label))?;
                object.list("columns", columns, |out, column| write_string(out, column))?;
                object.list("rows", rows, |out, number| write!(out, "{number}"))?;
            }
            Self::StreamBegin { id, bytes } => {
                object.string("type", "stream_begin")?;
                object.string("id", id)?;
                object.number("bytes", bytes)?;
            }
            Self::StreamEnd { id, crc32 } => {
                object.string("type", "stream_end")?;
                object.string("id", id)?;
                object.number("crc32", u64::from(crc32))?;
            }
            Self::Killed {
                pid,
                program,
                cause,
                detail,
                rip,
            } => {
                object.string("type", "killed")?;
                object.number("pid", pid)?;
                object.string("program", program)?;
                object.string("cause", cause)?;
                object.number("detail", detail)?;
                object.number("rip", rip)?;
            }
            Self::End { passed, failed } => {
                object.string("type", "end")?;
                object.number("passed", passed)?;
                object.number("failed", failed)?;
            }
            Self::Panic {
                message,
                cpu,
                registers,
                backtrace,
            } => {
                object.string("type", "panic")?;
                object.string("message", message)?;
                object.number("cpu", cpu)?;
                object.numbers("registers", registers)?;
                object.list("backtrace", backtrace, |out, address| {
                    write!(out, "{address}")
                })?;
            }
        }
        f.write_str("}\n")
    }
}

/// A JSON object under way.
struct Object<'a, 'b> {
    out: &'a mut Formatter<'b>,
    first: bool,
}

impl Object<'_, '_> {
    fn key(&mut self, key: &str) -> fmt::Result {
        self.out.write_char(if self.first { '{' } else { ',' })?;
        self.first = false;
        write_string(self.out, key)?;
        self.out.write_char(':')
    }

    fn string(&mut self, key: &str, value: &str) -> fmt::Result {
        self.key(key)?;
        write_string(self.out, value)
    }

    fn number(&mut self, key: &str, value: u64) -> fmt::Result {
        self.key(key)?;
        write!(self.out, "{value}")
    }

    fn numbers(&mut self, key: &str, values: &[Metric<'_>]) -> fmt::Result {
        self.key(key)?;
        self.out.write_char('{')?;
        for (i, (name, value)) in values.iter().enumerate() {
            if i > 0 {
                self.out.write_char(',')?;
            }
            write_string(self.out, name)?;
            write!(self.out, ":{value}")?;
        }
        self.out.write_char('}')
    }

    fn list<T>(
        &mut self,
        key: &str,
        values: &[T],
        write: impl Fn(&mut Formatter<'_>, &T) -> fmt::Result,
    ) -> fmt::Result {
        self.key(key)?;
        self.out.write_char('[')?;
        for (i, value) in values.iter().enumerate() {
            if i > 0 {
                self.out.write_char(',')?;
            }
            write(self.out, value)?;
        }
        self.out.write_char(']')
    }
}

/// A JSON string (RFC 8259 7), quotes included.
fn write_string(out: &mut Formatter<'_>, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.write_char('\\')?;
                out.write_char(c)?;
            }
            c if u32::from(c) < 0x20 => write!(out, "\\u{:04x}", u32::from(c))?,
            c => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

/// CRC-32 (ISO 3309, the one of zlib), continued from `crc`; start with 0.
pub fn crc32(crc: u32, bytes: &[u8]) -> u32 {
    let folded = bytes.iter().fold(!crc, |crc, &byte| {
        let index = usize::from(crc.to_le_bytes()[0] ^ byte);
        CRC_TABLE[index] ^ (crc >> 8)
    });
    !folded
}

const CRC_TABLE: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut value = i as u32;
        let mut bit = 0;
        while bit < 8 {
            value = (value >> 1) ^ (0xedb8_8320 & (value & 1).wrapping_neg());
            bit += 1;
        }
        table[i] = value;
        i += 1;
    }
    table
}

#[cfg(feature = "host")]
pub use parsed::Parsed;

#[cfg(feature = "host")]
mod parsed;

#[cfg(all(test, feature = "host"))]
mod tests;
