//! Policies that lie.

use super::*;
use crate::sched::policy::testing::{Job, SLICE};
use crate::sched::policy::{Policy, Rules, Slice};

/// What a policy answers that keeps no queue at all.
struct Liar(Option<&'static Job>);

impl Scheduler<&'static Job> for Liar {
    fn rules(&self) -> Rules {
        Rules {
            slice: Slice::Usual,
            preempts: false,
        }
    }

    fn enqueue(&mut self, _task: &'static Job, _why: Why, _now: u64) {}

    fn pick_next(&mut self, _now: u64) -> Option<&'static Job> {
        self.0
    }

    fn steal(&mut self, _cpu: usize) -> Option<&'static Job> {
        self.0
    }
}

fn lying(answer: Option<&'static Job>) -> Checked<&'static Job> {
    let mut queue = Checked::new(Box::new(Liar(answer)), 0);
    queue.enqueue(Job::new(0).leak(), Why::New, 0);
    queue
}

#[test]
fn a_task_that_was_not_handed_in_is_refused() {
    let running = Job::new(7).leak();
    let mut queue = lying(Some(running));
    assert_eq!(queue.pick(0), Err(Refusal::NotHandedIn(running)));
    assert_eq!(queue.steal(1), Err(Refusal::NotHandedIn(running)));
    assert_eq!(queue.len(), 1);
}

#[test]
fn a_task_of_another_queue_is_refused() {
    let elsewhere = Job::new(7).leak();
    elsewhere.set_queue(Some(1));
    assert_eq!(
        lying(Some(elsewhere)).pick(0),
        Err(Refusal::NotHandedIn(elsewhere))
    );
    assert_eq!(elsewhere.queue(), Some(1));
}

#[test]
fn a_task_is_handed_out_once() {
    let task = Job::new(7).leak();
    let mut queue = lying(Some(task));
    queue.enqueue(task, Why::New, 0);
    assert_eq!(queue.pick(0), Ok(Some(task)));
    assert_eq!(queue.pick(0), Err(Refusal::NotHandedIn(task)));
}

#[test]
fn a_task_that_may_not_run_there_is_refused() {
    let bound = Job {
        cpus: 0b01,
        ..Job::new(7)
    }
    .leak();
    let mut queue = lying(Some(bound));
    queue.enqueue(bound, Why::New, 0);
    assert_eq!(queue.steal(1), Err(Refusal::MayNotRun(bound, 1)));
}

#[test]
fn nobody_is_no_answer_while_somebody_waits() {
    let mut queue = lying(None);
    assert_eq!(queue.pick(0), Err(Refusal::Nobody(1)));
    // But there may be nobody for another processor.
    assert_eq!(queue.steal(1), Ok(None));
}

#[test]
fn refusals_name_the_reason() {
    let job = Job::new(7).leak();
    assert_eq!(
        Refusal::NotHandedIn(job).to_string(),
        "which is not in its queue"
    );
    assert_eq!(
        Refusal::MayNotRun(job, 1).to_string(),
        "which may not run on processor 1"
    );
    assert_eq!(
        Refusal::<()>::Nobody(2).to_string(),
        "nobody, though 2 wait"
    );
}

#[test]
fn a_change_of_policy_keeps_all_that_wait() {
    for from in Policy::ALL {
        let mut queue = Checked::new(from.make(SLICE), 0);
        (0..5).for_each(|id| queue.enqueue(Job::new(id).leak(), Why::New, 0));
        let to = Policy::Fcfs.make(SLICE);
        let handed = queue.hand_over(Some(to), Why::New, 0, |_| {});
        assert_eq!(handed, Ok(()));
        assert_eq!(queue.len(), 5);
        let mut ids: Vec<u32> = (0..5)
            .filter_map(|_| queue.pick(0).ok().flatten())
            .map(|job| job.id)
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, [0, 1, 2, 3, 4]);
        assert_eq!(queue.pick(0), Ok(None));
    }
}
