//! Several VMs at once: as many as the user says, or as there are processors for. An experiment that
//! is tried again, because it has not come out, is done when the others are, and has the host for itself.

use super::experiment::Experiment;
use super::result::Outcome;
use super::screen::Screen;
use super::vm::{self, Stop};
use std::fs;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What VMs may take together.
pub(super) struct Limits {
    vms: usize,
    cpus: usize,
    memory: u64,
}

impl Limits {
    /// What the host has; so many VMs if the user says so, else as many as have a processor for each
    /// of their vCPUs.
    pub(super) fn of_host(at_once: Option<usize>) -> Self {
        let cpus = thread::available_parallelism().map_or(1, usize::from);
        Self {
            vms: at_once.unwrap_or(usize::MAX),
            cpus: at_once.map_or(cpus, |_| usize::MAX),
            memory: available_memory(),
        }
    }
}

/// Bytes that the host can give without swapping; all there are if it does not say.
fn available_memory() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("MemAvailable:"));
    let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    number.map_or(u64::MAX, |kib| kib << 10)
}

/// An experiment that waits, and what has been tried of it.
#[derive(Clone, Copy)]
struct Job {
    /// Its place.
    at: usize,
    tries: u32,
    took: Duration,
}

/// Which experiments wait, and what those under way take.
struct State {
    waiting: Vec<Job>,
    vms: usize,
    cpus: usize,
    memory: u64,
    /// One that is tried again has the host for itself.
    is_alone: bool,
}

impl State {
    /// Takes out the first experiment that there is room for. Alone, any has room.
    fn take(&mut self, experiments: &[Experiment], limits: &Limits) -> Option<Job> {
        let fits = |job: &Job| {
            let (cpus, memory) = needs(&experiments[job.at]);
            self.vms == 0
                || job.tries == 0
                    && !self.is_alone
                    && self.vms < limits.vms
                    && self.cpus + cpus <= limits.cpus
                    && self.memory + memory <= limits.memory
        };
        let position = self.waiting.iter().position(fits)?;
        let job = self.waiting.remove(position);
        let (cpus, memory) = needs(&experiments[job.at]);
        self.vms += 1;
        self.cpus += cpus;
        self.memory += memory;
        self.is_alone = job.tries > 0;
        Some(job)
    }

    fn give_back(&mut self, experiment: &Experiment) {
        let (cpus, memory) = needs(experiment);
        self.vms -= 1;
        self.cpus -= cpus;
        self.memory -= memory;
        self.is_alone = false;
    }
}

/// vCPUs and bytes of memory.
fn needs(experiment: &Experiment) -> (usize, u64) {
    let (cpus, memory) = (usize::from(experiment.cpus), experiment.memory.0);
    match experiment.peer {
        None => (cpus, memory),
        Some(_) => (cpus + usize::from(vm::PEER_CPUS), 2 * memory),
    }
}

/// Does all experiments; what came of them, in their order. A signal leaves the rest out.
pub(super) fn run<'e>(
    experiments: &'e [Experiment],
    limits: &Limits,
    stop: &Stop,
    screen: &Screen,
) -> Vec<Outcome<'e>> {
    let first = |at| Job {
        at,
        tries: 0,
        took: Duration::ZERO,
    };
    let state = Mutex::new(State {
        waiting: (0..experiments.len()).map(first).collect(),
        vms: 0,
        cpus: 0,
        memory: 0,
        is_alone: false,
    });
    let (state, changed) = (&state, &Condvar::new());
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let done: Mutex<Vec<(usize, Outcome<'e>)>> = Mutex::default();
    let done = &done;
    thread::scope(|scope| {
        let mut guard = lock();
        while stop.signal().is_none() && (guard.vms > 0 || !guard.waiting.is_empty()) {
            let Some(job) = guard.take(experiments, limits) else {
                let woken = changed.wait(guard);
                guard = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            scope.spawn(move || {
                let experiment = &experiments[job.at];
                let outcome = attempt(experiment, job, stop, screen);
                let again = outcome.tries < experiment.tries && !outcome.came_out();
                if again && stop.signal().is_none() {
                    screen.again(experiment);
                    lock().waiting.push(Job {
                        at: job.at,
                        tries: outcome.tries,
                        took: outcome.took,
                    });
                } else {
                    screen.show(job.at, &outcome);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    done.push((job.at, outcome));
                }
                lock().give_back(experiment);
                changed.notify_one();
            });
        }
    });
    let mut done = std::mem::take(&mut *done.lock().unwrap_or_else(PoisonError::into_inner));
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Does an experiment once more.
fn attempt<'e>(experiment: &'e Experiment, job: Job, stop: &Stop, screen: &Screen) -> Outcome<'e> {
    let start = Instant::now();
    let (progress, text) = screen.progress(experiment);
    let ended = vm::run(experiment, stop, progress);
    let mut outcome = Outcome::of(experiment, ended, text.take());
    (outcome.tries, outcome.took) = (job.tries + 1, job.took + start.elapsed());
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::testing::experiment;

    fn state(tries: &[u32]) -> State {
        let job = |(at, tries): (usize, &u32)| Job {
            at,
            tries: *tries,
            took: Duration::ZERO,
        };
        State {
            waiting: tries.iter().enumerate().map(job).collect(),
            vms: 0,
            cpus: 0,
            memory: 0,
            is_alone: false,
        }
    }

    fn limits(vms: usize, cpus: usize) -> Limits {
        let memory = u64::MAX;
        Limits { vms, cpus, memory }
    }

    /// Places of those that are taken until there is no more room.
    fn taken(state: &mut State, experiments: &[Experiment], limits: &Limits) -> Vec<usize> {
        let job = || state.take(experiments, limits).map(|job| job.at);
        std::iter::from_fn(job).collect()
    }

    #[test]
    fn as_many_are_done_at_once_as_there_is_room_for() {
        let mut experiments = [experiment(), experiment(), experiment()];
        experiments[1].cpus = 2;
        let mut state = state(&[0; 3]);
        assert_eq!(taken(&mut state, &experiments, &limits(9, 2)), [0, 2]);
        state.give_back(&experiments[0]);
        assert!(taken(&mut state, &experiments, &limits(9, 2)).is_empty());
        state.give_back(&experiments[2]);
        assert_eq!(taken(&mut state, &experiments, &limits(9, 1)), [1], "alone");
    }

    #[test]
    fn memory_and_the_users_wish_are_limits_too() {
        let experiments = [experiment(), experiment()];
        let memory = experiments[0].memory.0 * 3 / 2;
        let little = Limits {
            memory,
            ..limits(9, 9)
        };
        assert_eq!(taken(&mut state(&[0; 2]), &experiments, &little), [0]);
        assert_eq!(taken(&mut state(&[0; 2]), &experiments, &limits(1, 9)), [0]);
    }

    #[test]
    fn one_that_is_tried_again_has_the_host_for_itself() {
        let experiments = [experiment(), experiment(), experiment()];
        let all = limits(9, 9);
        let mut state = state(&[1, 0, 0]);
        assert_eq!(taken(&mut state, &experiments, &all), [0]);
        state.give_back(&experiments[0]);
        assert_eq!(taken(&mut state, &experiments, &all), [1, 2]);
    }
}
