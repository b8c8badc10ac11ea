//! The example of Silberschatz, Galvin and Gagne, Operating System Concepts, 8.6.3, by real threads: ten,
//! five and seven units of three resources, and five tasks with their claims.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};

use ::sync::deadlock::{Banker, Manager, Safety, Table, Units};

use super::{Got, Job, Service, told};
use crate::check::{Check, Verdict};
use crate::lab::Common;
use crate::sync::{Barrier, Turn};

const TASKS: usize = 5;
/// What each has at first, and the most that it will want.
const BOOK: [([u32; 3], [u32; 3]); TASKS] = [
    ([0, 1, 0], [7, 5, 3]),
    ([2, 0, 0], [3, 2, 2]),
    ([3, 0, 2], [9, 0, 2]),
    ([2, 1, 1], [2, 2, 2]),
    ([0, 0, 2], [4, 3, 3]),
];
/// Task 1 asks for this, which is safe; then task 0 for that, which is not.
const SAFE: [u32; 3] = [1, 0, 2];
const UNSAFE: [u32; 3] = [0, 2, 0];

struct Shared {
    service: Service,
    /// Whose turn it is to take what the book gives it.
    turn: Turn,
    all_there: Barrier,
    /// The safe sequence after the safe request.
    safe: [AtomicUsize; TASKS],
    /// The order in which they ended.
    ended: [AtomicUsize; TASKS],
    has_ended: AtomicUsize,
    granted: AtomicU32,
}

fn units(of: [u32; 3]) -> Units {
    let [a, b, c] = of;
    [a, b, c, 0, 0, 0, 0, 0]
}

fn take(shared: &Shared, task: usize, request: Units) -> Verdict {
    let got = shared.service.acquire(&Banker, task, &request)?;
    ensure!(
        got == Got::All,
        "P{task} asks for {} and gets {got:?}",
        told(&request)
    );
    shared.granted.fetch_add(1, SeqCst);
    Ok(())
}

fn work(shared: &Shared, task: usize) -> Verdict {
    shared.turn.wait_for(task as u32);
    let (first, _) = BOOK[task];
    take(shared, task, units(first))?;
    shared.turn.set(task as u32 + 1);
    shared.all_there.wait();
    if task == 1 {
        take(shared, task, units(SAFE))?;
        let safety = shared.service.look(|manager| Safety::of(&manager.table));
        let order = safety.map(|safety| Vec::from(safety.order()));
        for (slot, task) in shared.safe.iter().zip(order.unwrap_or_default()) {
            slot.store(task, SeqCst);
        }
        shared.turn.set(TASKS as u32 + 1);
    }
    if task == 0 {
        shared.turn.wait_for(TASKS as u32 + 1);
        take(shared, task, units(UNSAFE))?;
    } else {
        // Nobody ends before the unsafe request has been made to wait.
        shared
            .service
            .wait_until(|manager| manager.unsafe_waits > 0);
    }
    end(shared, task)
}

/// Asks for the rest of the claim, and gives all back.
fn end(shared: &Shared, task: usize) -> Verdict {
    let need = shared.service.look(|manager| manager.table.need(task));
    take(shared, task, need)?;
    let position = shared.has_ended.fetch_add(1, SeqCst);
    shared.ended[position].store(task, SeqCst);
    let held = shared.service.look(|manager| *manager.table.held(task));
    shared.service.release(task, &held)
}

fn sequence(of: &[AtomicUsize; TASKS]) -> String {
    let names: Vec<String> = of
        .iter()
        .map(|task| format!("P{}", task.load(SeqCst)))
        .collect();
    names.join(", ")
}

/// All tasks end, and the unsafe request waits until it is safe.
pub fn run(check: &mut Check, job: &Job) -> Verdict {
    let mut table = Table::new(TASKS, units([10, 5, 7]));
    for (task, (_, most)) in BOOK.into_iter().enumerate() {
        table.claim(task, units(most));
    }
    let shared = Common::new(Shared {
        service: Service::new(table),
        turn: Turn::new(),
        all_there: Barrier::new(TASKS as u32, 0),
        safe: Default::default(),
        ended: Default::default(),
        has_ended: AtomicUsize::new(0),
        granted: AtomicU32::new(0),
    })?;
    job.crew.run(TASKS, shared, work)?;
    check.line(&format!("safe: {}", sequence(&shared.safe)))?;
    let request = told(&units(UNSAFE));
    check.line(&format!("not granted, being unsafe: P0 asks for {request}"))?;
    check.line(&format!("ended: {}", sequence(&shared.ended)))?;
    let manager = shared.service.look(Manager::clone);
    check.metric("granted", shared.granted.load(SeqCst).into());
    check.metric("kept_back", manager.unsafe_waits);
    check.metric("ended", shared.has_ended.load(SeqCst) as u64);
    ensure!(
        manager.table.available() == manager.table.total(),
        "not all was given back: {:?}",
        manager.table.available()
    );
    Ok(())
}
