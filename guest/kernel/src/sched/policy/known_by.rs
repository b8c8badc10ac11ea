//! What each scheduling policy is known by.

use super::testing::{Job, SLICE, drain};
use super::*;

type Queue = Box<dyn Scheduler<&'static Job>>;

/// The numbers of those who have the next `slices` slices, all of which want more.
fn turns(queue: &mut Queue, slices: u64) -> Vec<u32> {
    let mut order = Vec::new();
    for slice in 1..=slices {
        let job = queue.pick_next(slice * SLICE).expect("somebody waits");
        job.run(SLICE);
        order.push(job.id);
        queue.enqueue(job, Why::SliceEnded, slice * SLICE);
    }
    order
}

fn count(order: &[u32], id: u32) -> usize {
    order.iter().filter(|other| **other == id).count()
}

fn with_priorities(policy: Policy, priorities: &[usize]) -> Queue {
    let mut queue = policy.make(SLICE);
    for (id, priority) in priorities.iter().enumerate() {
        let priority = *priority;
        let job = Job {
            priority,
            ..Job::new(id as u32)
        };
        queue.enqueue(job.leak(), Why::New, 0);
    }
    queue
}

fn at_level(priority: usize) -> &'static Job {
    Job {
        priority,
        ..Job::new(8)
    }
    .leak()
}

fn with_lengths(policy: Policy, lengths: &[u64]) -> Queue {
    let mut queue = policy.make(SLICE);
    for (id, length) in lengths.iter().enumerate() {
        let length = Some(*length);
        let job = Job {
            length,
            ..Job::new(id as u32)
        };
        queue.enqueue(job.leak(), Why::New, 0);
    }
    queue
}

fn with_weights(policy: Policy, weights: &[u64]) -> Queue {
    let mut queue = policy.make(SLICE);
    for (id, weight) in weights.iter().enumerate() {
        let weight = *weight;
        let job = Job {
            weight,
            ..Job::new(id as u32)
        };
        queue.enqueue(job.leak(), Why::New, 0);
    }
    queue
}

#[test]
fn priority_is_strict() {
    let mut queue = with_priorities(Policy::Priority, &[1, 7, 0, 7]);
    assert!(queue.preempts(at_level(6), 0));
    assert!(!queue.preempts(at_level(7), 0));
    assert_eq!(drain(&mut *queue), [1, 3, 0, 2]);
}

#[test]
fn under_strict_priority_the_low_one_starves() {
    let mut queue = with_priorities(Policy::Priority, &[0, 7]);
    assert_eq!(count(&turns(&mut queue, 1000), 0), 0);
}

#[test]
fn with_aging_it_does_not() {
    let mut queue = with_priorities(Policy::PriorityAging, &[0, 7]);
    let order = turns(&mut queue, 1000);
    // It is seven levels below, and rises by one each four slices.
    assert!(
        (30..=36).contains(&count(&order, 0)),
        "{}",
        count(&order, 0)
    );
    assert_eq!(order.iter().position(|id| *id == 0), Some(27));
}

#[test]
fn round_robin_knows_no_priority() {
    let mut queue = with_priorities(Policy::RoundRobin, &[1, 7, 0]);
    assert!(!queue.preempts(at_level(0), 0));
    assert_eq!(drain(&mut *queue), [0, 1, 2]);
}

#[test]
fn the_shortest_job_is_first() {
    for policy in [Policy::Sjf, Policy::Srtf] {
        let mut queue = with_lengths(policy, &[10, 1, 5, 1]);
        assert_eq!(drain(&mut *queue), [1, 3, 2, 0]);
    }
}

#[test]
fn a_job_of_less_than_what_remains_preempts_under_srtf_alone() {
    let running = Job {
        length: Some(10),
        ..Job::new(8)
    }
    .leak();
    running.run(4);
    for (length, preempts) in [(5, true), (6, false), (7, false)] {
        assert_eq!(
            with_lengths(Policy::Srtf, &[length]).preempts(running, 0),
            preempts
        );
        assert!(!with_lengths(Policy::Sjf, &[length]).preempts(running, 0));
    }
}

#[test]
fn lengths_are_predicted_by_the_exponential_average() {
    let mut queue: Queue = Policy::Sjf.make(SLICE);
    let job = Job::new(0).leak();
    queue.enqueue(job, Why::New, 0);
    let mut predicted = Vec::new();
    for burst in [8, 4, 6, 6] {
        queue.pick_next(0);
        job.run(burst);
        queue.enqueue(job, Why::Woken, 0);
        predicted.push(job.note().value);
    }
    assert_eq!(predicted, [4, 4, 5, 5]);
    // One that is known to need 4 goes before it.
    let other = Job {
        length: Some(4),
        ..Job::new(1)
    };
    queue.enqueue(other.leak(), Why::New, 0);
    assert_eq!(drain(&mut *queue), [1, 0]);
}

#[test]
fn what_computes_sinks_and_what_waits_rises() {
    let mut queue: Queue = Policy::Mlfq.make(SLICE);
    let (computes, waits) = (Job::new(0).leak(), Job::new(1).leak());
    queue.enqueue(computes, Why::New, 0);
    for slices in [1, 2, 4, 4] {
        assert_eq!(queue.pick_next(0), Some(computes));
        assert_eq!(queue.slices(computes), slices);
        queue.enqueue(computes, Why::SliceEnded, 0);
    }
    queue.pick_next(0);
    queue.enqueue(waits, Why::New, 0);
    assert!(queue.preempts(computes, 0));
    queue.enqueue(computes, Why::Preempted, 0);
    assert_eq!(queue.pick_next(0), Some(waits));
    queue.enqueue(waits, Why::Woken, 0);
    assert_eq!(queue.pick_next(0), Some(waits));
    queue.enqueue(computes, Why::Woken, 0);
    assert_eq!(queue.slices(computes), 2);
}

#[test]
fn shares_are_as_tickets() {
    for (policy, tolerance) in [
        (Policy::Lottery, 300),
        (Policy::Stride, 2),
        (Policy::Cfs, 2),
    ] {
        let mut queue = with_weights(policy, &[100, 200, 300]);
        let order = turns(&mut queue, 6000);
        for (id, expected) in [(0, 1000), (1, 2000), (2, 3000)] {
            let had = count(&order, id);
            assert!(
                had.abs_diff(expected) <= tolerance,
                "{policy:?}: {id} had {had}"
            );
        }
    }
}

#[test]
fn who_comes_late_is_not_paid_for_its_absence() {
    for policy in [Policy::Stride, Policy::Cfs] {
        let mut queue = with_weights(policy, &[100, 100]);
        turns(&mut queue, 1000);
        for (late, why) in [(Job::new(8), Why::New), (Job::new(9), Why::Woken)] {
            queue.enqueue(late.leak(), why, 0);
        }
        let order = turns(&mut queue, 40);
        assert!(count(&order, 8).abs_diff(10) <= 1, "{policy:?}");
        assert!(count(&order, 9).abs_diff(10) <= 1, "{policy:?}");
    }
}

#[test]
fn under_cfs_one_that_wakes_takes_the_processor_from_one_that_is_ahead() {
    let mut queue: Queue = Policy::Cfs.make(SLICE);
    let (running, woken) = (Job::new(0).leak(), Job::new(1).leak());
    queue.enqueue(running, Why::New, 0);
    queue.pick_next(0);
    queue.enqueue(woken, Why::Woken, 0);
    running.run(SLICE / 4);
    assert!(!queue.preempts(running, 0));
    running.run(1);
    assert!(queue.preempts(running, 0));
}

#[test]
fn the_earliest_deadline_is_first_and_none_last() {
    let mut queue: Queue = Policy::Edf.make(SLICE);
    let by = |id, deadline| Job {
        deadline,
        ..Job::new(id)
    };
    let running = by(8, Some(15)).leak();
    for (id, deadline) in [(0, None), (1, Some(20)), (2, Some(10))] {
        queue.enqueue(by(id, deadline).leak(), Why::New, 0);
        assert_eq!(queue.preempts(running, 0), id == 2);
    }
    assert_eq!(drain(&mut *queue), [2, 1, 0]);
}
