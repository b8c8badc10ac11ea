//! The whole-VM test binaries on a nested host: what runs, how long it may, what came of it.

use super::boot::Boot;
use super::cargo;
use super::image::Image;
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::collections::VecDeque;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Test binaries that are not for a nested host.
const ELSEWHERE: &[(&str, &str)] = &[
    ("qemu", "boots the built-in guest in QEMU, without KVM"),
    ("image", "disassembles the kernel image, without KVM"),
];
/// Those with the guests that live longest.
const LONG: &[&str] = &["linux", "linux_io", "linux_emulated", "guest"];
/// What also runs on other nested hosts.
const SMOKE: &[&str] = &["boot", "disk", "vcpus"];

/// Test binaries that run in one boot of a nested host.
pub struct Part {
    /// Name of the job.
    pub name: &'static str,
    /// Nested paging, or else shadow paging.
    pub npt: bool,
    /// Processors of the nested host.
    pub cpus: u8,
    has: fn(&str) -> bool,
}

impl Part {
    /// Those of the names that belong to it.
    pub fn of(&self, names: &[String]) -> Vec<String> {
        let own = names.iter().filter(|name| (self.has)(name));
        own.cloned().collect()
    }
}

/// All of them, the longest first. With two processors, QEMU 7.2 now and then gives a guest an
/// interrupt twice (`qemu.rs`): there run guests that live for moments.
pub const PARTS: [Part; 4] = [
    Part {
        name: "long-guests",
        npt: true,
        cpus: 1,
        has: |name| LONG.contains(&name),
    },
    Part {
        name: "short-guests",
        npt: true,
        cpus: 1,
        has: |name| !LONG.contains(&name),
    },
    Part {
        name: "shadow-paging",
        npt: false,
        cpus: 1,
        has: |name| SMOKE.contains(&name),
    },
    Part {
        name: "two-processors",
        npt: true,
        cpus: 2,
        has: |name| SMOKE.contains(&name),
    },
];

/// Longest time of one binary, and of all.
const BINARY_S: u32 = 1200;
const DEADLINE: Duration = Duration::from_secs(25 * 60);
/// No test takes so long.
const SILENCE: Duration = Duration::from_secs(10 * 60);

/// Builds all test binaries, puts those that match into the image; returns their names.
pub fn add_tests(image: &Image, matches: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for test in cargo::tests()? {
        let elsewhere = ELSEWHERE.iter().any(|(name, _)| *name == test.name);
        if !elsewhere && matches(&test.name) {
            image.program(&test.path, &format!("tests/{}", test.name))?;
            names.push(test.name);
        }
    }
    ensure!(!names.is_empty(), "no test binary has such a name");
    Ok(names)
}

/// The job that runs test binaries one after another.
pub fn job(names: &[String]) -> String {
    let mut script = String::from("cd /tests\n");
    for name in names {
        script.push_str(&format!(
            "echo '@begin {name}'\n\
             timeout -s KILL {BINARY_S} ./{name} 2>&1\n\
             echo \"@end {name} $?\"\n"
        ));
    }
    script
}

/// Runs a part's job, shows what it says, and fails unless all of each passed and something did.
/// A nested host that breaks or hangs is started once more: that says nothing about a test.
pub fn run(boot: Boot<'_>, part: &Part, names: &[String]) -> Result<()> {
    let boot = boot.npt(part.npt).cpus(part.cpus);
    let boot = boot.deadline(DEADLINE).silence(SILENCE);
    let attempt = || {
        let mut progress = Progress::new(part.name);
        let ended = boot.run(part.name, |bytes| progress.take(bytes));
        progress.finish();
        ended.map(|ended| (ended, progress))
    };
    let (ended, progress) = attempt().or_else(|error| {
        println!("nested host, {}: once more: {error:#}", part.name);
        attempt()
    })?;
    for line in &ended.troubles {
        println!("nested host, {}: {line}", part.name);
    }
    let failed: Vec<String> = names
        .iter()
        .filter_map(|name| progress.verdict(name).err())
        .map(|error| format!("{error:#}"))
        .collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    ensure!(
        ended.troubles.is_empty(),
        "all tests passed, but the nested host's kernel was in trouble: see its lines above"
    );
    Ok(())
}

/// What one binary said.
#[derive(Default)]
struct Outcome {
    name: String,
    status: Option<i32>,
    passed: u32,
    skipped: u32,
    /// The last lines that say more than that a test passed.
    remarks: VecDeque<String>,
}

/// So many lines of a binary that failed are shown again at the end.
const REMARKS: usize = 40;

impl Outcome {
    fn verdict(&self) -> Result<()> {
        match self.status {
            Some(0) => {}
            Some(137) => bail!("killed after {BINARY_S} s"),
            Some(status) => bail!("failed with exit status {status}"),
            None => bail!("did not end"),
        }
        let passed = self.passed.saturating_sub(self.skipped);
        ensure!(passed > 0, "ran no test: {} skipped", self.skipped);
        Ok(())
    }

    fn remark(&mut self, line: &str) {
        if line.ends_with("... ok") {
            return;
        }
        if self.remarks.len() == REMARKS {
            self.remarks.pop_front();
        }
        self.remarks.push_back(line.to_owned());
    }

    fn remarks(&self) -> String {
        let lines = self.remarks.iter().map(|line| format!("\n  {line}"));
        lines.collect()
    }
}

/// Reads the job's output by lines.
struct Progress {
    part: &'static str,
    start: Instant,
    line: Vec<u8>,
    outcomes: Vec<Outcome>,
}

impl Progress {
    fn new(part: &'static str) -> Self {
        Self {
            part,
            start: Instant::now(),
            line: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' => self.line_is_whole(),
                _ => self.line.push(*byte),
            }
        }
    }

    fn finish(&mut self) {
        if !self.line.is_empty() {
            self.line_is_whole();
        }
    }

    fn line_is_whole(&mut self) {
        let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["@begin", name] => self.outcomes.push(Outcome {
                name: (*name).to_owned(),
                ..Outcome::default()
            }),
            ["@end", _, status] => self.end(status),
            _ => self.said(&words, &line),
        }
    }

    fn said(&mut self, words: &[&str], line: &str) {
        let Some(outcome) = self.outcomes.last_mut() else {
            println!("{line}");
            return;
        };
        match words {
            // libtest: `test result: ok. 7 passed; 0 failed; ...`
            ["test", "result:", _, count, "passed;", ..] => {
                outcome.passed += count.parse().unwrap_or(0);
                return;
            }
            ["skipped", ..] => outcome.skipped += 1,
            [] | ["running", ..] => return,
            _ => {}
        }
        outcome.remark(line);
        println!(
            "{:14} {:>4.0} s {:13} {line}",
            self.part,
            self.start.elapsed().as_secs_f64(),
            outcome.name
        );
        // A reader that went away is no reason to stop.
        let _ = std::io::stdout().flush();
    }

    fn end(&mut self, status: &str) {
        if let Some(outcome) = self.outcomes.last_mut() {
            outcome.status = status.parse().ok();
        }
    }

    fn verdict(&self, name: &str) -> Result<()> {
        let outcome = self.outcomes.iter().find(|outcome| outcome.name == name);
        let outcome = outcome.with_context(|| format!("{name} was not run"))?;
        let verdict = outcome.verdict();
        verdict.map_err(|error| anyhow!("{name}: {error}{}", outcome.remarks()))
    }
}

/// Copies what a job left in `/results` to a folder.
pub fn keep_results(results: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(results)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            keep_results(&entry.path(), &to.join(entry.file_name()))?;
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
