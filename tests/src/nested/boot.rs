//! [`Boot`]: one start of a nested host, which runs one job.

use super::image::Image;
use super::{console, qemu};
use crate::Scratch;
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How many times longer than elsewhere a test may wait in there.
pub(super) const SLOWNESS: u32 = 8;
/// Size of the disk that takes the results; what is not written takes no room.
const RESULTS_BYTES: u64 = 4 << 30;

/// What the machine's time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// That of the world; QEMU has one processor of this machine, and those of the nested host take
    /// turns on one thread. Reliable with one.
    Wall,
    /// That of the world; the nested host's processors run side by side, for what is measured. Now
    /// and then it hangs, or a guest gets an interrupt twice (`qemu.rs` says why).
    Parallel,
    /// One nanosecond an instruction, which repeats; for one processor.
    Instructions,
}

/// A machine to start.
#[derive(Clone)]
pub struct Boot<'a> {
    image: &'a Image,
    disk: &'a Path,
    pub(super) npt: bool,
    pub(super) cpus: u8,
    pub(super) memory_mib: u32,
    pub(super) clock: Clock,
    pub(super) interactive: bool,
    pub(super) processor: usize,
    deadline: Duration,
    silence: Duration,
}

impl<'a> Boot<'a> {
    /// One processor, 8 GiB, nested paging, ten minutes. `disk` is what [`Image::disk`] made.
    pub fn new(image: &'a Image, disk: &'a Path) -> Self {
        Self {
            image,
            disk,
            npt: true,
            cpus: 1,
            memory_mib: 8 << 10,
            clock: Clock::Wall,
            interactive: false,
            processor: 0,
            deadline: Duration::from_secs(600),
            silence: Duration::MAX,
        }
    }

    /// Whether KVM uses nested page tables, or else shadow page tables.
    pub fn npt(self, npt: bool) -> Self {
        Self { npt, ..self }
    }

    /// Processors of the nested host.
    pub fn cpus(self, cpus: u8) -> Self {
        Self { cpus, ..self }
    }

    /// Memory of the nested host; what it does not touch takes none of this machine's.
    pub fn memory_mib(self, memory_mib: u32) -> Self {
        Self { memory_mib, ..self }
    }

    /// Its time.
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Gives the job this process's standard input.
    pub fn interactive(self, interactive: bool) -> Self {
        Self {
            interactive,
            ..self
        }
    }

    /// On which of the processors that this process may use it runs, counted from 0 and round
    /// again; [`Clock::Parallel`] uses all.
    pub fn processor(self, processor: usize) -> Self {
        Self { processor, ..self }
    }

    /// Longest time from start to end.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Longest time without a word of the job.
    pub fn silence(self, silence: Duration) -> Self {
        Self { silence, ..self }
    }

    /// Starts it, runs a job of the image, gives its output to `on_output` as it comes.
    ///
    /// # Errors
    /// When the machine did not get to the job's end; trouble on its console that it lived
    /// through is in [`Ended::troubles`].
    pub fn run(&self, job: &str, mut on_output: impl FnMut(&[u8])) -> Result<Ended> {
        let scratch = Scratch::new()?;
        let results = scratch.path("results.tar");
        File::create(&results)?.set_len(RESULTS_BYTES)?;
        let console = scratch.path("console");
        let files = qemu::Files {
            root: self.disk,
            results: &results,
            console: &console,
        };
        let command = qemu::command(self.image.needs(), self, &files, job)?;
        let ended = Machine::start(command)?.watch(self.deadline, self.silence, &mut on_output);
        let console = fs::read(&console).unwrap_or_default();
        let console = String::from_utf8_lossy(&console).into_owned();
        if let Err(error) = ended {
            bail!(
                "{error}; its console ends with\n{}",
                console::tail(&console)
            );
        }
        let folder = scratch.path("results");
        unpack(&results, &folder).ok();
        fs::remove_file(&results)?;
        let status = fs::read_to_string(folder.join(".status"));
        let Some(status) = status.ok().and_then(|text| text.trim().parse().ok()) else {
            let troubles = console::troubles(&console);
            bail!(
                "the nested host ended before its job {job} did\n{}\nits console ends with\n{}",
                troubles.join("\n"),
                console::tail(&console)
            );
        };
        Ok(Ended {
            status,
            troubles: console::troubles(&console)
                .iter()
                .map(ToString::to_string)
                .collect(),
            console,
            folder,
            _scratch: scratch,
        })
    }
}

/// What a job came to.
pub struct Ended {
    /// Exit status of its script.
    pub status: i32,
    /// What the nested host's kernel said.
    pub console: String,
    /// Those lines of it that mean trouble.
    pub troubles: Vec<String>,
    folder: PathBuf,
    _scratch: Scratch,
}

impl Ended {
    /// What was in `/results`; goes when this is dropped.
    pub fn results(&self) -> &Path {
        &self.folder
    }
}

fn unpack(tar: &Path, folder: &Path) -> Result<()> {
    fs::create_dir(folder)?;
    let mut command = Command::new("tar");
    command.arg("-xf").arg(tar).arg("-C").arg(folder);
    let output = command.output().context("tar cannot be started")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// A running QEMU; dropping it kills it.
struct Machine {
    child: Child,
    output: Receiver<Vec<u8>>,
}

impl Machine {
    fn start(mut command: Command) -> Result<Self> {
        let mut child = command.spawn().context("QEMU cannot be started")?;
        let stdout = child.stdout.take().context("it is piped")?;
        let (sender, output) = mpsc::channel();
        thread::spawn(move || pieces(stdout, |piece| sender.send(piece).is_ok()));
        Ok(Self { child, output })
    }

    fn watch(
        mut self,
        limit: Duration,
        silence: Duration,
        on_output: &mut dyn FnMut(&[u8]),
    ) -> Result<()> {
        let deadline = Instant::now() + limit;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left.min(silence)) {
                Ok(piece) => on_output(&piece),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if left > silence => {
                    bail!("the nested host said nothing for {} s", silence.as_secs())
                }
                Err(RecvTimeoutError::Timeout) => {
                    bail!("the nested host was stopped after {} s", limit.as_secs())
                }
            }
        }
        let status = self.child.wait()?;
        let mut errors = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut errors)?;
        }
        ensure!(status.success(), "QEMU: {status}: {}", errors.trim());
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn pieces(mut stdout: ChildStdout, mut take: impl FnMut(Vec<u8>) -> bool) {
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = stdout.read(&mut piece) {
        if !take(piece[..count].to_vec()) {
            return;
        }
    }
}
