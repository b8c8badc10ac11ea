//! The runs of a comparison in their order, and the guest's suite of them.

use super::Wishes;
use super::session::CompareError;
use super::workload::{self, Path, Workload};
use std::fmt::Write;

/// How long a run lasts, and how long a hung one may, in milliseconds.
const RUN_MS: u32 = 200;
const RUN_TIMEOUT_MS: u32 = 300_000;

/// One run of a workload by a path. Its number in the plan is its place there.
pub(super) struct Run {
    pub(super) workload: &'static Workload,
    pub(super) path: &'static Path,
    nth: u32,
}

impl Run {
    /// The check that it is in the guest's suite.
    pub(super) fn id(&self) -> String {
        format!("{}.{}.{}", self.workload.name, self.path.name, self.nth)
    }
}

/// Refuses a name that is not among those known.
fn check(what: &'static str, names: &[String], known: &[&str]) -> Result<(), CompareError> {
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        None => Ok(()),
        Some(name) => Err(CompareError::Unknown {
            what,
            name: name.clone(),
            known: known.join(", "),
        }),
    }
}

fn is_wanted(name: &str, names: &[String]) -> bool {
    names.is_empty() || names.iter().any(|wanted| wanted == name)
}

/// The runs that the user wants: those of a workload one after another, its paths taking turns.
pub(super) fn plan(wishes: &Wishes) -> Result<Vec<Run>, CompareError> {
    let names: Vec<&str> = workload::all().map(|workload| workload.name).collect();
    check("workload", &wishes.workloads, &names)?;
    let workloads = workload::all().filter(|workload| is_wanted(workload.name, &wishes.workloads));
    let workloads: Vec<&Workload> = workloads.collect();
    let mut names: Vec<&str> = Vec::new();
    for path in workloads.iter().flat_map(|workload| workload.paths) {
        if !names.contains(&path.name) {
            names.push(path.name);
        }
    }
    check("path", &wishes.paths, &names)?;
    let mut runs = Vec::new();
    for workload in workloads {
        let paths = workload.paths.iter();
        let paths: Vec<&Path> = paths.filter(|p| is_wanted(p.name, &wishes.paths)).collect();
        for nth in 0..wishes.runs {
            let turn = paths.iter().map(|path| Run {
                workload,
                path,
                nth,
            });
            runs.extend(turn);
        }
    }
    Ok(runs)
}

/// The suite of those runs.
pub(super) fn suite(runs: &[Run]) -> String {
    let mut text = String::new();
    for (number, run) in runs.iter().enumerate() {
        let (id, program) = (run.id(), run.workload.program);
        let args = run.workload.args(run.path, RUN_MS);
        let _ = writeln!(text, "{id} io {RUN_TIMEOUT_MS} {program} {number} {args}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Guest;
    use crate::guest;

    fn wishes(workloads: &[&str], paths: &[&str]) -> Wishes {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Wishes {
            workloads: names(workloads),
            paths: names(paths),
            runs: 2,
            cpus: 1,
            report: None,
            out: None,
            guest: Guest::BuiltIn,
        }
    }

    #[test]
    fn paths_take_turns_and_every_run_is_a_check_of_its_own() {
        let runs = plan(&wishes(&["block-read"], &[])).unwrap();
        let paths = workload::all().next().unwrap().paths;
        assert_eq!(runs.len(), 2 * paths.len());
        assert_eq!(runs[0].id(), format!("block-read.{}.0", paths[0].name));
        assert_ne!(runs[0].path.name, runs[1].path.name);
        let checks = guest::planned_checks(suite(&runs).as_bytes());
        let ids: Vec<String> = runs.iter().map(Run::id).collect();
        assert_eq!(checks.into_iter().map(|c| c.id).collect::<Vec<_>>(), ids);
    }

    #[test]
    fn a_name_that_there_is_not_is_told_with_those_that_there_are() {
        let error = plan(&wishes(&["block"], &[])).err().unwrap().to_string();
        assert!(error.contains("block-random-32"), "{error}");
        let error = plan(&wishes(&["clock"], &["virtio"]))
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("kvmclock"), "{error}");
    }
}
