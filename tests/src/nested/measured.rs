//! Benchmarks on a nested host: the benchmark's own program goes into its image and runs itself
//! there as `--inside PART`.

use super::{Boot, Clock, Image};
use crate::bench;
use anyhow::{Result, ensure};
use std::io::Write;
use std::time::Duration;

/// What runs in a nested host of its own.
pub struct Part {
    /// Its name.
    pub name: &'static str,
    /// How time passes there.
    pub clock: Clock,
    /// What the figures are, in a line.
    pub head: &'static str,
    /// Runs there.
    pub run: fn() -> Result<()>,
}

const DEADLINE: Duration = Duration::from_secs(1800);
/// No figure takes so long.
const SILENCE: Duration = Duration::from_secs(300);
const INSIDE: &str = "--inside";

/// Runs the part that the command line says is to be run here, on the nested host; false if none.
pub fn inside(parts: &[Part]) -> Result<bool> {
    let args: Vec<String> = std::env::args().collect();
    let Some(at) = args.iter().position(|arg| arg == INSIDE) else {
        return Ok(false);
    };
    let name = args.get(at + 1).map_or("", String::as_str);
    let part = parts.iter().find(|part| part.name == name);
    ensure!(part.is_some(), "nothing is called {name:?}");
    part.map_or(Ok(()), |part| (part.run)())?;
    Ok(true)
}

/// Runs the parts on nested hosts of that image: all, or those that the command line names.
pub fn outside(image: &Image, parts: &[Part]) -> Result<()> {
    image.program(&std::env::current_exe()?, "root/bench")?;
    let short = if bench::is_short() { "--short" } else { "" };
    for part in parts {
        let script = format!("/root/bench {INSIDE} {} {short}", part.name);
        image.job(part.name, &script)?;
    }
    let disk = image.disk()?;
    let show = |bytes: &[u8]| {
        let _ = std::io::stdout().write_all(bytes);
    };
    let wished = |part: &Part| std::env::args().any(|arg| arg == part.name);
    let is_any_wished = parts.iter().any(wished);
    for part in parts {
        if is_any_wished && !wished(part) {
            continue;
        }
        println!("nested host, {}", part.head);
        let cpus = if part.clock == Clock::Parallel { 2 } else { 1 };
        let boot = Boot::new(image, &disk).clock(part.clock).cpus(cpus);
        let boot = boot.deadline(DEADLINE).silence(SILENCE);
        let run = || boot.clone().run(part.name, show);
        // That a nested host breaks says nothing about what is measured there.
        let ended = run().or_else(|error| {
            println!("once more: {error}");
            run()
        })?;
        ensure!(ended.status == 0, "the job failed");
    }
    Ok(())
}
