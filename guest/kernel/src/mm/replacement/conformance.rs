//! What holds for every replacement policy, and what each is known by.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::*;

/// Memory of a few frames under a policy.
struct Memory {
    policy: Box<dyn ReplacementPolicy>,
    frames: usize,
    resident: BTreeSet<u64>,
    accessed: RefCell<BTreeSet<u64>>,
    pinned: BTreeSet<u64>,
    faults: u32,
}

impl Pages for Memory {
    fn take_accessed(&self, page: u64) -> bool {
        self.accessed.borrow_mut().remove(&page)
    }

    fn is_pinned(&self, page: u64) -> bool {
        self.pinned.contains(&page)
    }
}

/// Stands in while `Memory`'s own policy is being asked.
struct Nothing;

impl ReplacementPolicy for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }
    fn page_in(&mut self, _: u64) {}
    fn page_out(&mut self, _: u64) {}
    fn select_victim(&mut self, _: &dyn Pages) -> Option<u64> {
        None
    }
}

impl Memory {
    fn new(policy: Policy, frames: usize) -> Self {
        Self {
            policy: policy.make(),
            frames,
            resident: BTreeSet::new(),
            accessed: RefCell::default(),
            pinned: BTreeSet::new(),
            faults: 0,
        }
    }

    fn select(&mut self) -> Option<u64> {
        let mut policy: Box<dyn ReplacementPolicy> =
            std::mem::replace(&mut self.policy, Box::new(Nothing));
        let victim = policy.select_victim(self);
        self.policy = policy;
        victim
    }

    fn touch(&mut self, page: u64) {
        if !self.resident.contains(&page) {
            self.faults += 1;
            if self.resident.len() == self.frames {
                let victim = self.select().expect("a page can go");
                assert!(self.resident.remove(&victim), "the victim is in memory");
                self.policy.page_out(victim);
            }
            self.resident.insert(page);
            self.policy.page_in(page);
        }
        self.accessed.borrow_mut().insert(page);
    }

    fn run(policy: Policy, frames: usize, pages: &[u64]) -> u32 {
        let mut memory = Self::new(policy, frames);
        pages.iter().for_each(|page| memory.touch(*page));
        memory.faults
    }
}

const BELADY: [u64; 12] = [0, 1, 2, 3, 0, 1, 4, 0, 1, 2, 3, 4];

#[test]
fn names_lead_to_policies_and_back() {
    for policy in Policy::ALL {
        assert_eq!(Policy::from_name(policy.name()), Some(policy));
        assert_eq!(policy.make().name(), policy.name());
    }
    assert_eq!(Policy::from_name("random"), None);
}

#[test]
fn an_empty_memory_has_no_victim() {
    for policy in Policy::ALL {
        assert_eq!(Memory::new(policy, 1).select(), None);
    }
}

#[test]
fn victims_are_in_memory_whatever_the_order_of_uses() {
    for policy in Policy::ALL {
        let mut memory = Memory::new(policy, 7);
        let mut state = 1_u64;
        for _ in 0..2000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            memory.touch(state >> 60);
            if state.is_multiple_of(13) && memory.resident.len() > 1 {
                let gone = memory.resident.pop_first().unwrap();
                memory.policy.page_out(gone);
            }
        }
    }
}

#[test]
fn a_pinned_page_stays() {
    for policy in Policy::ALL {
        let mut memory = Memory::new(policy, 3);
        [0, 1, 2].into_iter().for_each(|page| memory.touch(page));
        memory.pinned.extend([0, 2]);
        assert_eq!(memory.select(), Some(1));
        memory.pinned.insert(1);
        assert_eq!(memory.select(), None);
    }
}

#[test]
fn enough_frames_mean_one_fault_a_page() {
    for policy in Policy::ALL {
        assert_eq!(Memory::run(policy, 5, &BELADY), 5);
    }
}

#[test]
fn fifo_shows_beladys_anomaly() {
    assert_eq!(Memory::run(Policy::Fifo, 3, &BELADY), 9);
    assert_eq!(Memory::run(Policy::Fifo, 4, &BELADY), 10);
}

#[test]
fn clock_keeps_a_page_that_is_used() {
    let mut memory = Memory::new(Policy::Clock, 3);
    for page in [0, 1, 2, 3] {
        memory.touch(page);
    }
    let stays = *memory.resident.first().unwrap();
    for page in 10..30 {
        memory.touch(stays);
        memory.touch(page);
        assert!(
            memory.resident.contains(&stays),
            "used between every two faults"
        );
    }
}
