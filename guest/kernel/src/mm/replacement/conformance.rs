//! What holds for every replacement policy, and what each is known by.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::*;

/// Memory of a few frames under a policy that is told every use and ticks at each.
pub(super) struct Memory {
    policy: Box<dyn ReplacementPolicy>,
    frames: usize,
    resident: BTreeSet<u64>,
    accessed: RefCell<BTreeSet<u64>>,
    dirty: BTreeSet<u64>,
    pinned: BTreeSet<u64>,
    faults: u32,
    written: u32,
    refused: u32,
}

/// How a page is used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl Pages for Memory {
    fn take_accessed(&self, page: u64) -> bool {
        self.accessed.borrow_mut().remove(&page)
    }

    fn is_dirty(&self, page: u64) -> bool {
        self.dirty.contains(&page)
    }

    fn is_resident(&self, page: u64) -> bool {
        self.resident.contains(&page)
    }

    fn is_pinned(&self, page: u64) -> bool {
        self.pinned.contains(&page)
    }
}

/// Stands in while `Memory`'s own policy is being asked.
struct Nothing;

impl ReplacementPolicy for Nothing {
    fn page_in(&mut self, _: u64) {}
    fn page_out(&mut self, _: u64) {}
    fn select_victim(&mut self, _: &dyn Pages) -> Option<u64> {
        None
    }
}

impl Memory {
    pub(super) fn new(known: &Known, frames: usize, future: &[u64]) -> Self {
        let settings = Settings {
            seed: 1,
            window: 4,
            future: future.to_vec(),
        };
        Self {
            policy: (known.make)(settings),
            frames,
            resident: BTreeSet::new(),
            accessed: RefCell::default(),
            dirty: BTreeSet::new(),
            pinned: BTreeSet::new(),
            faults: 0,
            written: 0,
            refused: 0,
        }
    }

    /// Calls `with` the policy, which sees this memory.
    fn ask<R>(&mut self, with: impl FnOnce(&mut dyn ReplacementPolicy, &Self) -> R) -> R {
        let mut policy: Box<dyn ReplacementPolicy> =
            std::mem::replace(&mut self.policy, Box::new(Nothing));
        let answer = with(&mut *policy, self);
        self.policy = policy;
        answer
    }

    fn select(&mut self) -> Option<u64> {
        let mut refused = 0;
        let page = self.ask(|policy, memory| select(policy, memory, |_, _| refused += 1));
        self.refused += refused;
        page
    }

    fn evict(&mut self, victim: u64) {
        assert!(self.resident.remove(&victim), "the victim is in memory");
        self.written += u32::from(self.dirty.remove(&victim));
        self.accessed.borrow_mut().remove(&victim);
        self.policy.page_out(victim);
    }

    pub(super) fn touch(&mut self, page: u64, access: Access) {
        if !self.resident.contains(&page) {
            self.faults += 1;
            if self.resident.len() == self.frames {
                let victim = self.select().expect("a page can go");
                self.evict(victim);
            }
            self.resident.insert(page);
            self.policy.page_in(page);
        }
        self.policy.used(page);
        self.ask(|policy, memory| policy.tick(memory));
        self.accessed.borrow_mut().insert(page);
        if access == Access::Write {
            self.dirty.insert(page);
        }
    }

    /// Faults of such a run.
    pub(super) fn run(known: &Known, frames: usize, pages: &[u64]) -> u32 {
        let mut memory = Self::new(known, frames, pages);
        pages
            .iter()
            .for_each(|page| memory.touch(*page, Access::Read));
        assert_eq!(memory.refused, 0, "{}", known.name);
        memory.faults
    }
}

#[test]
fn names_lead_to_policies() {
    for known in POLICIES.iter().chain([&WRONG]) {
        assert_eq!(
            from_name(known.name).map(|found| found.name),
            Some(known.name)
        );
        let alone = for_programs(known.name).is_some();
        assert_eq!(alone, !known.needs_uses, "{}", known.name);
        assert!(known.name.len() < abi::confine::NAME_BYTES);
    }
    assert!(from_name("best").is_none() && from_name("").is_none());
    assert_eq!((CLOCK.name, FIFO.name), ("clock", "fifo"));
}

#[test]
fn an_empty_memory_has_no_victim() {
    for known in POLICIES {
        assert_eq!(Memory::new(known, 1, &[]).select(), None, "{}", known.name);
    }
}

#[test]
fn victims_are_in_memory_whatever_the_order_of_uses() {
    for known in POLICIES {
        let mut memory = Memory::new(known, 7, &[]);
        let mut state = 1_u64;
        for _ in 0..2000 {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let access = match state >> 40 & 1 {
                0 => Access::Read,
                _ => Access::Write,
            };
            memory.touch(state >> 60, access);
            if state.is_multiple_of(13) && memory.resident.len() > 1 {
                let gone = *memory.resident.first().unwrap();
                memory.evict(gone);
            }
        }
        assert_eq!(memory.refused, 0, "{}", known.name);
    }
}

#[test]
fn a_pinned_page_stays() {
    for known in POLICIES {
        let mut memory = Memory::new(known, 3, &[]);
        [0, 1, 2]
            .into_iter()
            .for_each(|page| memory.touch(page, Access::Read));
        memory.pinned.extend([0, 2]);
        assert_eq!(memory.select(), Some(1), "{}", known.name);
        memory.pinned.insert(1);
        assert_eq!(memory.select(), None, "{}", known.name);
        assert_eq!(memory.refused, 0, "{}", known.name);
    }
}

#[test]
fn enough_frames_mean_one_fault_a_page() {
    for known in POLICIES {
        let faults = Memory::run(known, 5, &super::course::BELADY);
        assert_eq!(faults, 5, "{}", known.name);
    }
}

#[test]
fn one_frame_means_a_fault_a_use() {
    for known in POLICIES {
        let faults = Memory::run(known, 1, &super::course::BELADY);
        assert_eq!(faults, 12, "{}", known.name);
    }
}

#[test]
fn a_page_that_has_gone_is_refused_and_another_asked_for() {
    let mut memory = Memory::new(&WRONG, 3, &[]);
    (0..8).for_each(|page| memory.touch(page, Access::Read));
    // The first eviction is of a page that is there: nothing had gone before.
    assert_eq!((memory.faults, memory.refused), (8, 4));
}

#[test]
fn a_pinned_victim_is_refused_and_another_asked_for() {
    let mut memory = Memory::new(&WRONG, 3, &[]);
    (0..3).for_each(|page| memory.touch(page, Access::Read));
    memory.pinned.insert(0);
    let mut why = Vec::new();
    let page = memory
        .ask(|policy, memory| select(policy, memory, |page, refusal| why.push((page, refusal))));
    assert_eq!(page, Some(1));
    assert_eq!(why, [(0, Refusal::Pinned), (0, Refusal::Pinned)]);
}

#[test]
fn a_policy_with_nothing_but_wrong_answers_is_not_asked_for_ever() {
    struct Stubborn;
    impl ReplacementPolicy for Stubborn {
        fn page_in(&mut self, _: u64) {}
        fn page_out(&mut self, _: u64) {}
        fn select_victim(&mut self, _: &dyn Pages) -> Option<u64> {
            Some(77)
        }
    }
    let memory = Memory::new(CLOCK, 3, &[]);
    let mut refused = Vec::new();
    let page = select(&mut Stubborn, &memory, |page, why| {
        refused.push((page, why))
    });
    assert_eq!(page, None);
    assert_eq!(refused, [(77, Refusal::Absent); 8]);
}

#[test]
fn a_page_that_is_used_between_every_two_faults_stays() {
    for name in ["clock", "enhanced", "wsclock", "lru"] {
        let known = from_name(name).unwrap();
        let mut memory = Memory::new(known, 3, &[]);
        for page in [0, 1, 2, 3] {
            memory.touch(page, Access::Read);
        }
        let stays = *memory.resident.first().unwrap();
        for page in 10..30 {
            memory.touch(stays, Access::Read);
            memory.touch(page, Access::Read);
            assert!(memory.resident.contains(&stays), "{name}");
        }
    }
}

#[test]
fn what_need_not_be_written_goes_first_under_enhanced_second_chance() {
    let run = |name| {
        let mut memory = Memory::new(from_name(name).unwrap(), 4, &[]);
        for round in 0..20 {
            memory.touch(0, Access::Write);
            memory.touch(1, Access::Write);
            memory.touch(100 + round, Access::Read);
            memory.touch(200 + round, Access::Read);
        }
        (memory.written, memory.faults)
    };
    assert_eq!(run("enhanced").0, 0);
    assert!(run("fifo").0 > 10);
}

#[test]
fn the_same_seed_draws_the_same_lots() {
    let pages: Vec<u64> = (0..400).map(|number| number * number % 23).collect();
    let random = from_name("random").unwrap();
    let faults = Memory::run(random, 6, &pages);
    assert_eq!(Memory::run(random, 6, &pages), faults);
    let opt = Memory::run(from_name("opt").unwrap(), 6, &pages);
    assert!(opt < faults && faults < 400, "{opt} {faults}");
}
