//! `cargo nested`: the whole-VM tests, or a command, on a nested host with hardware KVM.

use anyhow::{Context, Result, ensure};
use clap::Parser;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;
use tests::nested::suite::{self, PARTS, Part};
use tests::nested::{Boot, Clock, Image, Profile};

/// Runs the whole-VM tests, or COMMAND, on a host with hardware KVM inside QEMU.
#[derive(Parser)]
#[command(name = "nested")]
struct Args {
    /// A shell command line for the nested host, such as `hostel doctor`; the tests without.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
    /// Tests of that name only; may be given several times.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// 0: shadow paging, 1: nested paging; tests run with 1 and a part of them with 0.
    #[arg(long, value_parser = clap::value_parser!(u8).range(0..=1))]
    npt: Option<u8>,
    /// Time is a count of instructions; one processor.
    #[arg(long)]
    icount: bool,
    /// Processors of the nested host run side by side: quicker, less reliable.
    #[arg(long, conflicts_with = "icount")]
    parallel: bool,
    /// Processors of the nested host; with more than one, QEMU 7.2 now and then fails a guest.
    #[arg(long, default_value_t = 1)]
    cpus: u8,
    /// MiB of memory of the nested host.
    #[arg(long, value_name = "MIB", default_value_t = 8192)]
    memory: u32,
    /// Uses the debug build of hostel.
    #[arg(long)]
    debug: bool,
    /// Puts a file into the nested host's /root, where COMMAND starts; may be given several times.
    #[arg(long, value_name = "PATH")]
    file: Vec<PathBuf>,
    /// Puts the test binaries into the nested host's /tests, for COMMAND.
    #[arg(long)]
    tests: bool,
    /// Copies what COMMAND leaves in /results to a folder here.
    #[arg(long, value_name = "FOLDER")]
    results: Option<PathBuf>,
    /// Longest time in seconds that COMMAND may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,
    /// Shows the console of the nested host's kernel, too.
    #[arg(long)]
    console: bool,
}

impl Args {
    fn image(&self) -> Result<Image> {
        let profile = if self.debug {
            Profile::Debug
        } else {
            Profile::Release
        };
        let image = Image::new(profile)?;
        for path in &self.file {
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.context("--file: a file with a name that is text")?;
            image.program(path, &format!("root/{name}"))?;
        }
        Ok(image)
    }

    fn boot<'a>(&self, image: &'a Image, disk: &'a std::path::Path) -> Boot<'a> {
        let boot = Boot::new(image, disk).memory_mib(self.memory);
        if self.icount {
            boot.clock(Clock::Instructions).cpus(1)
        } else if self.parallel {
            boot.clock(Clock::Parallel).cpus(self.cpus)
        } else {
            boot.cpus(self.cpus)
        }
    }
}

fn run_tests(args: &Args) -> Result<()> {
    let image = args.image()?;
    let chosen = |name: &str| args.only.is_empty() || args.only.iter().any(|one| one == name);
    let names = suite::add_tests(&image, chosen)?;
    let npt = |part: &&Part| args.npt.is_none_or(|npt| part.npt == (npt == 1));
    let parts = PARTS.iter().filter(npt).map(|part| (part, part.of(&names)));
    let parts: Vec<_> = parts.filter(|(_, names)| !names.is_empty()).collect();
    ensure!(
        !parts.is_empty(),
        "none of these tests is for shadow paging"
    );
    for (part, names) in &parts {
        image.job(part.name, &suite::job(names))?;
    }
    let disk = image.disk()?;
    for (part, names) in &parts {
        println!("nested host, {}: {}", part.name, names.join(" "));
    }
    let waiting = Mutex::new(parts.iter());
    let failures = Mutex::new(Vec::new());
    // One nested host after another on each processor of this machine.
    let work = |processor| {
        let next = || waiting.lock().ok()?.next();
        while let Some((part, names)) = next() {
            let boot = Boot::new(&image, &disk).memory_mib(args.memory);
            if let Err(error) = suite::run(boot.processor(processor), part, names) {
                println!("nested host, {}: failed", part.name);
                let failure = format!("nested host, {}: {error:#}", part.name);
                failures
                    .lock()
                    .unwrap_or_else(|e| e.into_inner())
                    .push(failure);
            }
        }
    };
    let workers = thread::available_parallelism()?.get().min(parts.len());
    thread::scope(|scope| {
        for processor in 0..workers {
            scope.spawn(move || work(processor));
        }
    });
    let failures = failures.into_inner()?;
    for failure in &failures {
        println!("{failure}");
    }
    let failed = failures.len();
    ensure!(failed == 0, "of {} parts, {failed} failed", parts.len());
    println!("nested host: all passed");
    Ok(())
}

/// Runs the command; returns its exit status.
fn run_command(args: &Args) -> Result<u8> {
    let image = args.image()?;
    if args.tests {
        suite::add_tests(&image, |_| true)?;
    }
    image.job("command", &args.command.join(" "))?;
    let disk = image.disk()?;
    let boot = args.boot(&image, &disk).npt(args.npt != Some(0));
    let boot = boot.deadline(Duration::from_secs(args.timeout));
    let boot = boot.interactive(std::io::stdin().is_terminal());
    let mut stdout = std::io::stdout();
    let ended = boot.run("command", |bytes| {
        // A reader that went away is no reason to stop.
        let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
    })?;
    if args.console {
        eprint!("{}", ended.console);
    }
    if let Some(folder) = &args.results {
        suite::keep_results(ended.results(), folder)?;
    }
    ensure!(
        ended.troubles.is_empty(),
        "the nested host's kernel was in trouble:\n{}",
        ended.troubles.join("\n")
    );
    Ok(u8::try_from(ended.status).unwrap_or(1))
}

fn main() -> ExitCode {
    let args = Args::parse();
    let status = if args.command.is_empty() {
        run_tests(&args).map(|()| 0)
    } else {
        run_command(&args)
    };
    match status {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("nested: {error:#}");
            ExitCode::FAILURE
        }
    }
}
