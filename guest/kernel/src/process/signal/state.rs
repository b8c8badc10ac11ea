//! What a process does with signals, and which are pending. No part of it touches the machine.

use alloc::vec::Vec;

use abi::signal::{DEFAULT, FIRST_REAL_TIME, KILL, LAST, MOST_QUEUED, bit};
use abi::syscall::Errno;

/// What a process has said to do with a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Action {
    /// Address of the handler, or one of the numbers of `abi::signal`.
    pub handler: u64,
    /// Where the program's own entry code is, which calls it.
    pub entry: u64,
    /// What is held back meanwhile, besides the signal itself.
    pub mask: u64,
}

/// A signal on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    pub number: u64,
    pub value: u64,
    /// The thread that it is for; 0 for any.
    pub tid: u64,
}

/// Actions, by signal where one was set, and what is pending, in the order in which it came.
#[derive(Debug, Default)]
pub(super) struct State {
    actions: Vec<(u64, Action)>,
    pending: Vec<Pending>,
}

impl State {
    /// Nothing set, nothing pending.
    pub(super) const fn new() -> Self {
        Self {
            actions: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// For another program.
    pub(super) fn reset(&mut self) {
        self.actions.clear();
        self.pending.clear();
    }

    /// What a child has of `parent`: what to do, and nothing pending.
    pub(super) fn inherit(&mut self, parent: &[(u64, Action)]) {
        self.actions.extend_from_slice(parent);
    }

    /// All that was set.
    pub(super) fn actions(&self) -> Vec<(u64, Action)> {
        self.actions.clone()
    }

    /// What is done with signal `number`.
    pub(super) fn action(&self, number: u64) -> Option<Action> {
        let set = self.actions.iter().find(|(other, _)| *other == number);
        set.map(|(_, action)| *action)
    }

    /// Sets that; the handler before.
    pub(super) fn set_action(&mut self, number: u64, action: Action) -> Result<u64, Errno> {
        if !is_signal(number) || number == KILL {
            return Err(Errno::Inval);
        }
        let before = self.action(number);
        self.actions.retain(|(other, _)| *other != number);
        if action.handler != DEFAULT {
            self.actions.push((number, action));
        }
        Ok(before.map_or(DEFAULT, |action| action.handler))
    }

    /// One more signal: whether it is pending now besides what was; false for one that was merged.
    pub(super) fn add(&mut self, signal: Pending) -> Result<bool, Errno> {
        if !is_signal(signal.number) {
            return Err(Errno::Inval);
        }
        if signal.number < FIRST_REAL_TIME {
            let is_same =
                |other: &Pending| (other.number, other.tid) == (signal.number, signal.tid);
            if self.pending.iter().any(is_same) {
                return Ok(false);
            }
        } else {
            let queued = self
                .pending
                .iter()
                .filter(|other| other.number >= FIRST_REAL_TIME);
            if queued.count() >= MOST_QUEUED {
                return Err(Errno::Again);
            }
        }
        self.pending.push(signal);
        Ok(true)
    }

    /// Takes out what thread `tid` is to have next, if `mask` does not hold it back.
    pub(super) fn take(&mut self, tid: u64, mask: u64) -> Option<Pending> {
        let signals = self.pending.iter().enumerate();
        let mine = signals.filter(|(_, signal)| is_for(signal, tid, mask));
        let (index, _) = mine.min_by_key(|(_, signal)| signal.number)?;
        Some(self.pending.remove(index))
    }

    /// Whether there is something for it.
    pub(super) fn has(&self, tid: u64, mask: u64) -> bool {
        self.pending.iter().any(|signal| is_for(signal, tid, mask))
    }

    /// The set of what is pending for it.
    pub(super) fn pending(&self, tid: u64) -> u64 {
        let mine = self.pending.iter().filter(|signal| is_for(signal, tid, 0));
        mine.fold(0, |set, signal| set | bit(signal.number))
    }

    /// Thread `tid` is no more.
    pub(super) fn forget(&mut self, tid: u64) {
        self.pending.retain(|signal| signal.tid != tid);
    }

    /// Whether nothing is pending.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty()
    }
}

fn is_signal(number: u64) -> bool {
    (1..=LAST).contains(&number)
}

fn is_for(signal: &Pending, tid: u64, mask: u64) -> bool {
    (signal.tid == 0 || signal.tid == tid) && mask & bit(signal.number) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::signal::{IGNORE, USER_1, USER_2};

    fn signal(number: u64, value: u64) -> Pending {
        Pending {
            number,
            value,
            tid: 0,
        }
    }

    #[test]
    fn ordinary_ones_merge_and_real_time_ones_queue_in_order() {
        let mut state = State::default();
        assert_eq!(state.add(signal(USER_1, 1)), Ok(true));
        assert_eq!(state.add(signal(USER_1, 2)), Ok(false));
        for value in 0..3 {
            assert_eq!(state.add(signal(41, value)), Ok(true));
            assert_eq!(state.add(signal(40, value)), Ok(true));
        }
        let taken: Vec<_> = core::iter::from_fn(|| state.take(1, 0)).collect();
        let order: Vec<_> = taken
            .iter()
            .map(|taken| (taken.number, taken.value))
            .collect();
        let expected = [
            (10, 1),
            (40, 0),
            (40, 1),
            (40, 2),
            (41, 0),
            (41, 1),
            (41, 2),
        ];
        assert_eq!(order, expected);
        assert!(state.is_idle());
    }

    #[test]
    fn a_mask_holds_back_and_a_thread_takes_its_own() {
        let mut state = State::default();
        state.add(signal(USER_2, 7)).unwrap();
        let to_two = Pending {
            tid: 2,
            ..signal(USER_1, 8)
        };
        state.add(to_two).unwrap();
        assert!(!state.has(1, bit(USER_2)) && state.has(2, bit(USER_2)));
        assert_eq!(state.take(1, bit(USER_2)), None);
        assert_eq!(state.pending(1), bit(USER_2));
        assert_eq!(state.pending(2), bit(USER_1) | bit(USER_2));
        assert_eq!(state.take(2, 0), Some(to_two));
        state.add(to_two).unwrap();
        state.forget(2);
        assert_eq!(state.take(2, 0), Some(signal(USER_2, 7)));
        assert!(state.is_idle());
    }

    #[test]
    fn what_is_no_signal_and_what_is_too_much_is_refused() {
        let mut state = State::default();
        for number in [0, LAST + 1, 64, u64::MAX] {
            assert_eq!(state.add(signal(number, 0)), Err(Errno::Inval));
        }
        for _ in 0..MOST_QUEUED {
            state.add(signal(LAST, 0)).unwrap();
        }
        assert_eq!(state.add(signal(FIRST_REAL_TIME, 0)), Err(Errno::Again));
        assert_eq!(state.add(signal(USER_1, 0)), Ok(true));
    }

    #[test]
    fn an_action_replaces_the_one_before_and_kill_has_none() {
        let mut state = State::default();
        let action = |handler| Action {
            handler,
            entry: 0x1000,
            mask: 0,
        };
        assert_eq!(state.set_action(USER_1, action(0x2000)), Ok(DEFAULT));
        assert_eq!(state.set_action(USER_1, action(IGNORE)), Ok(0x2000));
        assert_eq!(state.set_action(USER_1, action(DEFAULT)), Ok(IGNORE));
        assert_eq!(state.action(USER_1), None);
        for number in [KILL, 0, LAST + 1] {
            assert_eq!(state.set_action(number, action(0)), Err(Errno::Inval));
        }
    }
}
