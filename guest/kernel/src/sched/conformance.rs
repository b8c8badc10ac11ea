//! What holds for every scheduling policy, and what each is known by.

use std::collections::BTreeSet;

use super::policy::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Job {
    id: u32,
    priority: usize,
    cpus: u64,
}

impl Task for Job {
    fn priority(&self) -> usize {
        self.priority
    }

    fn may_run_on(&self, cpu: usize) -> bool {
        self.cpus & 1 << cpu != 0
    }
}

fn job(id: u32, priority: usize) -> Job {
    Job {
        id,
        priority,
        cpus: u64::MAX,
    }
}

fn drain(queue: &mut dyn Scheduler<Job>) -> Vec<u32> {
    std::iter::from_fn(|| queue.pick_next())
        .map(|job| job.id)
        .collect()
}

#[test]
fn names_lead_to_policies_and_back() {
    for policy in Policy::ALL {
        assert_eq!(Policy::from_name(policy.name()), Some(policy));
    }
    assert_eq!(Policy::from_name("lottery"), None);
}

#[test]
fn an_empty_queue_has_nothing() {
    for policy in Policy::ALL {
        let mut queue = policy.make::<Job>();
        assert!(queue.pick_next().is_none() && queue.steal(0).is_none());
    }
}

#[test]
fn every_task_comes_out_once() {
    for policy in Policy::ALL {
        let mut queue = policy.make();
        let jobs: Vec<Job> = (0..100)
            .map(|id| job(id, id as usize * 7 % LEVELS))
            .collect();
        jobs.iter().for_each(|job| queue.enqueue(*job));
        let stolen = queue.steal(3).map(|job| job.id);
        let out: BTreeSet<u32> = drain(&mut *queue).into_iter().chain(stolen).collect();
        assert_eq!(out.len(), 100);
    }
}

#[test]
fn equals_run_in_turn() {
    for policy in Policy::ALL {
        let mut queue = policy.make();
        (0..3).for_each(|id| queue.enqueue(job(id, 3)));
        let mut order = Vec::new();
        for _ in 0..6 {
            let next = queue.pick_next().unwrap();
            order.push(next.id);
            queue.enqueue(next);
        }
        assert_eq!(order, [0, 1, 2, 0, 1, 2]);
        assert!(!queue.preempts(job(8, 3)));
    }
}

#[test]
fn only_a_task_that_may_run_there_is_stolen() {
    for policy in Policy::ALL {
        let mut queue = policy.make();
        queue.enqueue(Job {
            cpus: 0b01,
            ..job(0, 7)
        });
        queue.enqueue(Job {
            cpus: 0b10,
            ..job(1, 0)
        });
        assert_eq!(queue.steal(1).map(|job| job.id), Some(1));
        assert_eq!(queue.steal(1), None);
        assert_eq!(drain(&mut *queue), [0]);
    }
}

#[test]
fn priority_is_strict() {
    let mut queue = Policy::Priority.make();
    for (id, priority) in [(0, 1), (1, 7), (2, 0), (3, 7)] {
        queue.enqueue(job(id, priority));
    }
    assert!(queue.preempts(job(8, 6)));
    assert!(!queue.preempts(job(8, 7)));
    assert_eq!(drain(&mut *queue), [1, 3, 0, 2]);
}

#[test]
fn round_robin_knows_no_priority() {
    let mut queue = Policy::RoundRobin.make();
    for (id, priority) in [(0, 1), (1, 7), (2, 0)] {
        queue.enqueue(job(id, priority));
    }
    assert!(!queue.preempts(job(8, 0)));
    assert_eq!(drain(&mut *queue), [0, 1, 2]);
}
