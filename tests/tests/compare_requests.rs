//! `hostel compare`: consoles, requests, random bytes and interrupts, by what the host counts.

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::process::Command;
use tests::{Scratch, binary, require_kvm, within_tries};

/// The paths that a host may not have.
const PARAVIRTUAL: [&str; 2] = ["pv-eoi", "pv-ipi"];

/// The workloads of a comparison in one run of each path.
struct Compared(Vec<Value>);

impl Compared {
    fn run(workloads: &[&str], options: &[&str]) -> Result<Self> {
        let scratch = Scratch::new()?;
        let report = scratch.path("report");
        let mut command = Command::new(binary::hostel());
        let command = command.arg("compare").args(workloads).args(options);
        let command = command.args(["--runs", "1", "--report"]).arg(&report);
        let output = command.output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        let shown = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{shown}{errors}");
        let report: Value = serde_json::from_slice(&std::fs::read(report)?)?;
        let compared = report["workloads"].as_array().context("workloads")?;
        Ok(Self(compared.clone()))
    }

    fn paths(&self, workload: &str) -> Result<&Vec<Value>> {
        let mut all = self.0.iter();
        let found = all.find(|found| found["workload"] == workload);
        found
            .and_then(|found| found["paths"].as_array())
            .with_context(|| format!("no {workload}"))
    }

    /// A figure of a path.
    fn of(&self, workload: &str, path: &str, figure: &str) -> Result<f64> {
        let mut paths = self.paths(workload)?.iter();
        let found = paths.find(|found| found["path"] == path);
        found
            .and_then(|found| found["figures"][figure].as_f64())
            .with_context(|| format!("no {figure} of {workload} by {path}"))
    }
}

#[test]
fn output_costs_what_its_path_takes() -> Result<()> {
    require_kvm!();
    let compared = Compared::run(&["console"], &[])?;
    let of = |path, figure| compared.of("console", path, figure);
    // 4 KiB: a look at the line status and a write for each byte, or a look for 16.
    ensure!(of("serial-byte", "accesses")? >= 8192.0);
    let fifo = of("serial-fifo", "accesses")?;
    ensure!((4352.0..5000.0).contains(&fifo), "{fifo}");
    ensure!(of("virtio", "exits")? <= 1.0, "at most one for 4 KiB");
    ensure!(of("hypercall", "exits")? <= 1.0);
    for path in compared.paths("console")? {
        let bytes = &path["figures"]["bytes_per_second"]["median"];
        ensure!(bytes.as_f64().is_some_and(|bytes| bytes > 0.0), "{path}");
    }
    Ok(())
}

#[test]
fn a_batch_of_requests_is_one_exit() -> Result<()> {
    require_kvm!();
    within_tries(|| {
        let compared = Compared::run(&["requests", "entropy"], &[])?;
        let requests = |path| compared.of("requests", path, "exits");
        ensure!(requests("cmos")? >= 4.0);
        let one = requests("hypercall-1")?;
        ensure!((0.99..1.5).contains(&one), "{one}");
        let batch = requests("hypercall-32")?;
        ensure!((0.03..0.1).contains(&batch), "{batch}");
        let entropy = |path, figure| compared.of("entropy", path, figure);
        ensure!(entropy("hypercall", "exits")? < 1.5);
        ensure!(entropy("hypercall", "interrupts")? < 0.5);
        ensure!(entropy("virtio-rng", "interrupts")? > 0.0);
        Ok(())
    })
}

#[test]
fn interrupts_come_by_every_way() -> Result<()> {
    require_kvm!();
    within_tries(|| {
        for cpus in ["1", "2"] {
            let workloads = ["interrupt-handler", "interrupt-program", "ipi"];
            let compared = Compared::run(&workloads, &["--cpus", cpus])?;
            for workload in workloads {
                for path in compared.paths(workload)? {
                    let name = path["path"].as_str().context("a name")?;
                    if path.get("absent").is_some() {
                        ensure!(PARAVIRTUAL.contains(&name), "{workload} by {name}: absent");
                        continue;
                    }
                    if workload != "ipi" {
                        let interrupts = compared.of(workload, name, "interrupts")?;
                        ensure!(interrupts >= 1.0, "{workload} by {name}: {interrupts}");
                    }
                    let time = path["figures"]["operation_ns"]["median"].as_f64();
                    // It is not there before the event; one that is lost fails the work.
                    let is_sound = time.is_some_and(|ns| ns > 0.0);
                    ensure!(is_sound, "{workload} by {name}: {time:?}");
                }
            }
        }
        Ok(())
    })
}
