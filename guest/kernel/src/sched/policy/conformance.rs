//! What holds for every scheduling policy.

use std::collections::BTreeSet;

use super::testing::{Job, SLICE, drain};
use super::*;

fn each(mut test: impl FnMut(Policy, Box<dyn Scheduler<&'static Job>>)) {
    for policy in Policy::ALL {
        test(*policy, policy.make(SLICE));
    }
}

#[test]
fn names_lead_to_policies_and_back() {
    for policy in Policy::ALL {
        assert_eq!(Policy::from_name(policy.name()), Some(*policy));
    }
    assert_eq!(Policy::from_name("nice"), None);
}

#[test]
fn an_empty_queue_has_nothing() {
    each(|policy, mut queue| {
        assert!(
            queue.pick_next(0).is_none() && queue.steal(0).is_none(),
            "{policy:?}"
        );
        assert!(!queue.preempts(Job::new(0).leak(), 0), "{policy:?}");
    });
}

#[test]
fn every_task_comes_out_once() {
    let whys = [
        Why::New,
        Why::Woken,
        Why::Yielded,
        Why::SliceEnded,
        Why::Preempted,
    ];
    each(|policy, mut queue| {
        for id in 0..100 {
            let job = Job {
                priority: id as usize * 7 % LEVELS,
                weight: 1 + u64::from(id) * 37 % 200,
                length: (id % 3 > 0).then(|| u64::from(id) * 11 % 500),
                deadline: (id % 5 > 0).then(|| u64::from(id) * 13 % 900),
                ..Job::new(id)
            };
            job.run(u64::from(id) * 29 % 300);
            queue.enqueue(job.leak(), whys[id as usize % whys.len()], id.into());
        }
        let stolen = queue.steal(3).map(|job| job.id);
        let out: BTreeSet<u32> = drain(&mut *queue).into_iter().chain(stolen).collect();
        assert_eq!(out.len(), 100, "{policy:?}");
        assert!(queue.pick_next(u64::MAX).is_none(), "{policy:?}");
    });
}

#[test]
fn equals_come_in_the_order_of_arrival() {
    each(|policy, mut queue| {
        if policy == Policy::Lottery {
            return;
        }
        (0..5).for_each(|id| queue.enqueue(Job::new(id).leak(), Why::New, 7));
        assert_eq!(drain(&mut *queue), [0, 1, 2, 3, 4], "{policy:?}");
    });
}

#[test]
fn equals_that_use_up_their_slices_run_in_turn() {
    each(|policy, mut queue| {
        if policy == Policy::Lottery {
            return;
        }
        (0..3).for_each(|id| queue.enqueue(Job::new(id).leak(), Why::New, 0));
        let mut order = Vec::new();
        for turn in 1..=9 {
            let job = queue.pick_next(turn * SLICE).expect("three wait");
            job.run(SLICE * queue.slices(job));
            order.push(job.id);
            queue.enqueue(job, Why::SliceEnded, turn * SLICE);
        }
        assert_eq!(order, [0, 1, 2, 0, 1, 2, 0, 1, 2], "{policy:?}");
    });
}

#[test]
fn one_that_just_came_like_the_running_one_does_not_preempt_it() {
    each(|policy, mut queue| {
        let running = Job::new(0).leak();
        queue.enqueue(running, Why::New, 0);
        assert_eq!(queue.pick_next(0), Some(running), "{policy:?}");
        queue.enqueue(Job::new(1).leak(), Why::New, 1);
        assert!(!queue.preempts(running, 1), "{policy:?}");
    });
}

#[test]
fn only_a_policy_that_says_so_preempts() {
    each(|policy, mut queue| {
        let hurried = Job {
            priority: LEVELS - 1,
            length: Some(1),
            deadline: Some(1),
            ..Job::new(1)
        };
        let slow = Job {
            priority: 0,
            length: Some(100 * SLICE),
            ..Job::new(0)
        }
        .leak();
        queue.enqueue(slow, Why::New, 0);
        queue.pick_next(0);
        slow.run(10 * SLICE);
        queue.enqueue(slow, Why::SliceEnded, 10 * SLICE);
        queue.pick_next(10 * SLICE);
        slow.run(SLICE);
        queue.enqueue(hurried.leak(), Why::New, 10 * SLICE);
        let preempts = queue.preempts(slow, 10 * SLICE);
        assert_eq!(preempts, queue.rules().preempts, "{policy:?}");
    });
}

#[test]
fn only_a_task_that_may_run_there_is_stolen() {
    each(|policy, mut queue| {
        let bound_to = |id, cpus, priority| Job {
            cpus,
            priority,
            ..Job::new(id)
        };
        queue.enqueue(bound_to(0, 0b01, 7).leak(), Why::New, 0);
        queue.enqueue(bound_to(1, 0b10, 0).leak(), Why::New, 0);
        assert_eq!(queue.steal(1).map(|job| job.id), Some(1), "{policy:?}");
        assert_eq!(queue.steal(1), None, "{policy:?}");
        assert_eq!(drain(&mut *queue), [0], "{policy:?}");
    });
}

#[test]
fn numbers_at_their_ends_do_no_harm() {
    each(|policy, mut queue| {
        for (id, value) in [(0, 0), (1, u64::MAX), (2, u64::MAX - 1)] {
            let job = Job {
                weight: 1,
                length: Some(value),
                deadline: Some(value),
                ..Job::new(id)
            }
            .leak();
            job.run(value);
            job.set_note(Note { value, ran: 0 });
            queue.enqueue(job, Why::Woken, value);
            queue.preempts(job, 0);
            queue.slices(job);
        }
        assert_eq!(drain(&mut *queue).len(), 3, "{policy:?}");
    });
}
