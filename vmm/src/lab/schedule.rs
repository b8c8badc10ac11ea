//! Several VMs at once: as many as the user says, or as there are processors for.

use super::experiment::Experiment;
use super::result::Outcome;
use super::screen::Screen;
use super::vm::{self, Stop};
use std::fs;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Instant;

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

/// Which experiments wait, and what those under way take.
struct State {
    waiting: Vec<usize>,
    vms: usize,
    cpus: usize,
    memory: u64,
}

impl State {
    /// Takes out the first experiment that there is room for. Alone, any has room.
    fn take(&mut self, experiments: &[Experiment], limits: &Limits) -> Option<usize> {
        let fits = |at: &usize| {
            let (cpus, memory) = needs(&experiments[*at]);
            self.vms == 0
                || self.vms < limits.vms
                    && self.cpus + cpus <= limits.cpus
                    && self.memory + memory <= limits.memory
        };
        let position = self.waiting.iter().position(fits)?;
        let at = self.waiting.remove(position);
        let (cpus, memory) = needs(&experiments[at]);
        self.vms += 1;
        self.cpus += cpus;
        self.memory += memory;
        Some(at)
    }

    fn give_back(&mut self, experiment: &Experiment) {
        let (cpus, memory) = needs(experiment);
        self.vms -= 1;
        self.cpus -= cpus;
        self.memory -= memory;
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
    let state = Mutex::new(State {
        waiting: (0..experiments.len()).collect(),
        vms: 0,
        cpus: 0,
        memory: 0,
    });
    let (state, changed) = (&state, &Condvar::new());
    let lock = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let done: Mutex<Vec<(usize, Outcome<'e>)>> = Mutex::default();
    let done = &done;
    thread::scope(|scope| {
        let mut waiting = lock();
        while !waiting.waiting.is_empty() && stop.signal().is_none() {
            let Some(at) = waiting.take(experiments, limits) else {
                let woken = changed.wait(waiting);
                waiting = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            scope.spawn(move || {
                let outcome = until_it_comes_out(&experiments[at], stop, screen);
                screen.show(at, &outcome);
                let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                done.push((at, outcome));
                drop(done);
                lock().give_back(&experiments[at]);
                changed.notify_one();
            });
        }
    });
    let mut done = std::mem::take(&mut *done.lock().unwrap_or_else(PoisonError::into_inner));
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Does an experiment, again as often as its file allows if it does not come out.
fn until_it_comes_out<'e>(experiment: &'e Experiment, stop: &Stop, screen: &Screen) -> Outcome<'e> {
    let start = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        let (progress, text) = screen.progress(experiment);
        let ended = vm::run(experiment, stop, progress);
        let mut outcome = Outcome::of(experiment, ended, text.take());
        (outcome.tries, outcome.took) = (tries, start.elapsed());
        if outcome.came_out() || tries >= experiment.tries || stop.signal().is_some() {
            return outcome;
        }
        screen.again(experiment);
    }
}
