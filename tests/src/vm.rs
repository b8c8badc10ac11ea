//! [`TestVm`]: one `hostel run`, from its command line to its exit status.

use crate::binary;
use crate::host;
use crate::kernel::Kernel;
use crate::report::Report;
use crate::scratch::Scratch;
use crate::stream::Stream;
use crate::terminal::Terminal;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Longest wait for anything, unless a test says another.
const DEADLINE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(2);

/// A command line in the making.
pub struct Builder {
    args: Vec<OsString>,
    kernel: Option<Kernel>,
    kernel_file: Option<PathBuf>,
    initrd: Option<Vec<u8>>,
    report: bool,
    typing: bool,
    terminal: Option<Terminal>,
    deadline: Duration,
}

impl Builder {
    /// Any argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    fn option(self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.arg(name).arg(value)
    }

    /// Boots this instead of the built-in guest.
    pub fn kernel(mut self, kernel: &Kernel) -> Self {
        self.kernel = Some(kernel.clone());
        self
    }

    /// Boots the kernel in that file.
    pub fn kernel_file(mut self, path: &Path) -> Self {
        self.kernel_file = Some(path.to_owned());
        self
    }

    /// Initrd of those bytes.
    pub fn initrd(mut self, bytes: &[u8]) -> Self {
        self.initrd = Some(bytes.to_vec());
        self
    }

    /// `--cpus`
    pub fn cpus(self, count: u8) -> Self {
        self.option("--cpus", count.to_string())
    }

    /// `--memory`
    pub fn memory(self, size: &str) -> Self {
        self.option("--memory", size)
    }

    /// `--transport`
    pub fn transport(self, name: &str) -> Self {
        self.option("--transport", name)
    }

    /// `--append`
    pub fn append(self, words: &str) -> Self {
        self.option("--append", words)
    }

    /// `--disk`
    pub fn disk(self, path: &Path) -> Self {
        self.option("--disk", path)
    }

    /// `--disk PATH,ide`
    pub fn ide_disk(self, path: &Path) -> Self {
        self.option("--disk", [path.as_os_str(), OsStr::new(",ide")].join_os())
    }

    /// `--disk PATH,queues=QUEUES`
    pub fn disk_with_queues(self, path: &Path, queues: u8) -> Self {
        let queues = OsString::from(format!(",queues={queues}"));
        self.option("--disk", [path.as_os_str(), &queues].join_os())
    }

    /// `--disk PATH,ro`
    pub fn read_only_disk(self, path: &Path) -> Self {
        self.option("--disk", [path.as_os_str(), OsStr::new(",ro")].join_os())
    }

    /// `--timeout`
    pub fn timeout(self, seconds: u64) -> Self {
        self.option("--timeout", seconds.to_string())
    }

    /// `--report`, read when the VM has ended.
    pub fn report(mut self) -> Self {
        self.report = true;
        self
    }

    /// Standard input is a pipe for [`TestVm::type_in`]; without, it is at its end.
    pub fn typing(mut self) -> Self {
        self.typing = true;
        self
    }

    /// Standard input, output and error are a terminal.
    pub fn on(mut self, terminal: Terminal) -> Self {
        self.terminal = Some(terminal);
        self
    }

    /// Longest wait for anything, on a host of common speed.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Starts it.
    pub fn boot(self) -> Result<TestVm> {
        let scratch = Scratch::new()?;
        let mut command = Command::new(binary::hostel());
        command.arg("run");
        if let Some(kernel) = &self.kernel {
            command.arg(scratch.write("kernel", &kernel.image())?);
        }
        command.args(&self.kernel_file);
        if let Some(initrd) = &self.initrd {
            command
                .arg("--initrd")
                .arg(scratch.write("initrd", initrd)?);
        }
        let report = self.report.then(|| scratch.path("report"));
        if let Some(path) = &report {
            command.arg("--report").arg(path);
        }
        command.args(&self.args);
        let stdio = |piped: bool| match (&self.terminal, piped) {
            (Some(terminal), _) => terminal.stdio(),
            (None, true) => Ok(Stdio::piped()),
            (None, false) => Ok(Stdio::null()),
        };
        command.stdin(stdio(self.typing)?);
        command.stdout(stdio(true)?).stderr(stdio(true)?);
        let mut child = command.spawn().context("hostel cannot be started")?;
        let screen = self.terminal.as_ref().map(Terminal::screen).transpose()?;
        let stdout = child.stdout.take().map(Stream::of);
        let stdout = stdout.or_else(|| screen.map(Stream::of));
        Ok(TestVm {
            stdout: stdout.context("output is piped or a terminal")?,
            stderr: child.stderr.take().map(Stream::of),
            stdin: child.stdin.take(),
            terminal: self.terminal,
            child,
            report,
            deadline: host::patience(self.deadline),
            command: format!("{command:?}"),
            _scratch: scratch,
        })
    }

    /// Starts it and waits for its end.
    pub fn run(self) -> Result<Ended> {
        self.boot()?.wait()
    }
}

/// Joins pieces of a path, which need not be text.
trait JoinOs {
    fn join_os(self) -> OsString;
}

impl JoinOs for [&OsStr; 2] {
    fn join_os(self) -> OsString {
        let [first, second] = self;
        let mut joined = first.to_owned();
        joined.push(second);
        joined
    }
}

/// A running `hostel run`; dropping it kills it.
pub struct TestVm {
    child: Child,
    stdout: Stream,
    stderr: Option<Stream>,
    stdin: Option<ChildStdin>,
    terminal: Option<Terminal>,
    report: Option<PathBuf>,
    deadline: Duration,
    command: String,
    _scratch: Scratch,
}

impl TestVm {
    /// A command line without arguments.
    pub fn builder() -> Builder {
        Builder {
            args: Vec::new(),
            kernel: None,
            kernel_file: None,
            initrd: None,
            report: false,
            typing: false,
            terminal: None,
            deadline: DEADLINE,
        }
    }

    /// Sends a signal, named as kill(1) does: `TERM`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status()?;
        ensure!(status.success(), "SIG{name} was not sent");
        Ok(())
    }

    /// Memory of the process, the guest's among it, that is resident and of no file. (What
    /// /proc/PID/status says of it lags behind.)
    pub fn resident_bytes(&self) -> Result<u64> {
        let smaps = std::fs::read_to_string(format!("/proc/{}/smaps", self.child.id()))?;
        let lines = smaps.lines();
        let kib = lines.filter_map(|line| line.strip_prefix("Anonymous:")?.strip_suffix(" kB"));
        let kib: u64 = kib.map(|kib| kib.trim().parse().unwrap_or(0)).sum();
        Ok(kib << 10)
    }

    /// The terminal that it runs on.
    ///
    /// # Panics
    /// When it runs on none.
    pub fn terminal(&self) -> &Terminal {
        self.terminal.as_ref().expect("the test gave it one")
    }

    /// Waits until `text` stands in the output.
    pub fn wait_for(&self, text: &str) -> Result<()> {
        self.wait_until(text, |bytes| contains(bytes, text.as_bytes()))
    }

    /// Waits until the output satisfies `found`; `what` names that in the error.
    pub fn wait_until(&self, what: &str, found: impl FnMut(&[u8]) -> bool) -> Result<()> {
        if self.stdout.wait(self.deadline, found) {
            return Ok(());
        }
        let stdout = self.stdout.so_far();
        let stderr = self.stderr.as_ref().map(Stream::so_far).unwrap_or_default();
        bail!(
            "{}: no {what:?} in the output:\n{}\n{}",
            self.command,
            String::from_utf8_lossy(&stdout),
            String::from_utf8_lossy(&stderr)
        )
    }

    /// Types bytes, on the terminal or the pipe.
    pub fn type_in(&mut self, bytes: &[u8]) -> Result<()> {
        match (&self.terminal, &mut self.stdin) {
            (Some(terminal), _) => terminal.keyboard()?.write_all(bytes)?,
            (None, Some(stdin)) => stdin.write_all(bytes)?,
            (None, None) => bail!("the test gave no input"),
        }
        Ok(())
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Result<Ended> {
        let status = self.exit_status()?;
        if let Some(terminal) = &self.terminal {
            terminal.child_has_ended();
        }
        let stderr = self.stderr.as_mut().map(Stream::all).unwrap_or_default();
        let report = match &self.report {
            Some(path) => std::fs::read(path).ok().filter(|text| !text.is_empty()),
            None => None,
        };
        Ok(Ended {
            status,
            stdout: self.stdout.all(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
            report: report.map(|text| Report::parse(&text)).transpose()?,
            terminal: self.terminal.take(),
            command: self.command.clone(),
        })
    }

    fn exit_status(&mut self) -> Result<ExitStatus> {
        let deadline = Instant::now() + self.deadline;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                self.wait_until("end of the process", |_| false)?;
            }
            thread::sleep(POLL);
        }
    }
}

impl Drop for TestVm {
    fn drop(&mut self) {
        // It may have ended already, and there is nothing to do about any other error.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(terminal) = &self.terminal {
            terminal.child_has_ended();
        }
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}

/// What a run came to.
pub struct Ended {
    /// Exit status or signal.
    pub status: ExitStatus,
    /// Standard output, or all that was on the terminal.
    pub stdout: Vec<u8>,
    /// Standard error; empty on a terminal.
    pub stderr: String,
    /// The report, if one was asked for and written.
    pub report: Option<Report>,
    /// The terminal that it ran on.
    pub terminal: Option<Terminal>,
    command: String,
}

impl Ended {
    /// Standard output as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// It ended with that exit status, and not by a panic of its own.
    pub fn expect(self, status: i32) -> Result<Self> {
        let panicked =
            self.stderr.contains("panicked at") || self.stderr.contains("RUST_BACKTRACE");
        ensure!(
            self.status.code() == Some(status) && !panicked,
            "{}: ended with {}, not {status}:\n{}\n{}",
            self.command,
            self.status,
            self.text(),
            self.stderr
        );
        Ok(self)
    }

    /// It ended with that exit status and one line on standard error that has `words`.
    pub fn expect_line(self, status: i32, words: &[&str]) -> Result<Self> {
        let ended = self.expect(status)?;
        let lines = ended.stderr.lines().count();
        ensure!(
            lines == 1,
            "{}: {lines} lines on stderr:\n{}",
            ended.command,
            ended.stderr
        );
        ended.expect_words(words)
    }

    /// Standard error has `words`.
    pub fn expect_words(self, words: &[&str]) -> Result<Self> {
        for word in words {
            let there = self.stderr.contains(word);
            ensure!(there, "{}: no {word:?} in:\n{}", self.command, self.stderr);
        }
        Ok(self)
    }

    /// The report.
    pub fn report(&self) -> Result<&Report> {
        let report = self.report.as_ref();
        report.with_context(|| format!("{}: no report was written", self.command))
    }
}
