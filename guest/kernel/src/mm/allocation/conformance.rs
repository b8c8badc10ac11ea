//! What holds for every allocation policy, and what each is known by.

use super::*;

fn make(name: &str) -> Box<dyn FrameAllocation> {
    (from_name(name).unwrap().make)(Settings { low: 4, high: 40 })
}

fn members(count: u64) -> Vec<Member> {
    let member = |id| Member {
        id,
        pages: 4 * id,
        priority: id,
        working_set: 2 * id,
        interval: 1,
        share: 0,
    };
    (1..=count).map(member).collect()
}

fn shares(name: &str, frames: u64, count: u64) -> Vec<u64> {
    let mut members = members(count);
    make(name).divide(frames, &mut members, None);
    members.iter().map(|member| member.share).collect()
}

#[test]
fn all_divide_what_there_is_and_no_more() {
    for known in &ALLOCATIONS {
        for count in 0..6 {
            for frames in count.max(1)..40 {
                let mut policy = (known.make)(Settings { low: 4, high: 40 });
                let mut members = members(count);
                for faulting in (1..=count).map(Some).chain([None]) {
                    policy.divide(frames, &mut members, faulting);
                    let wrong = check(frames, &members);
                    assert_eq!(wrong, None, "{} {frames} {members:?}", known.name);
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_is_refused() {
    let mut members = members(2);
    assert_eq!(check(4, &members), Some("suspends all"));
    members[0].share = 5;
    assert_eq!(check(4, &members), Some("gives more than there is"));
    members[1].share = u64::MAX;
    assert_eq!(check(4, &members), Some("gives more than there is"));
    assert_eq!(check(4, &[]), None);
    assert!(from_name("fair").is_none());
}

#[test]
fn parts_are_equal_or_by_size_or_by_priority() {
    assert_eq!(shares("equal", 12, 3), [4, 4, 4]);
    assert_eq!(shares("proportional", 15, 3), [3, 5, 7]);
    assert_eq!(shares("priority", 15, 3), [3, 5, 7]);
    assert_eq!(shares("equal", 3, 3), [1, 1, 1]);
}

#[test]
fn whose_working_set_does_not_fit_is_suspended() {
    assert_eq!(shares("working-set", 12, 3), [2, 4, 6]);
    assert_eq!(shares("working-set", 11, 3), [4, 7, 0]);
    assert_eq!(shares("working-set", 1, 3), [1, 0, 0]);
}

#[test]
fn who_faults_often_gets_more_until_somebody_has_to_go() {
    let mut policy = make("fault-frequency");
    let mut two = members(2);
    for _ in 0..5 {
        policy.divide(8, &mut two, Some(2));
    }
    assert_eq!((two[0].share, two[1].share), (8, 0));
    let mut one = two.split_off(1);
    one[0].interval = 100;
    policy.divide(8, &mut one, Some(2));
    assert_eq!(one[0].share, 8, "what is left over is its own");
}
