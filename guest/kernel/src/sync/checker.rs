//! The lock checker: what would hang says so instead.
//!
//! - A processor that takes a spin lock which it holds already, maybe in an interrupt's handler
//!   ([`taken_twice`]).
//! - Processors that wait for each other's locks ([`Wait`]), by the wait-for graph between them.
//! - An interrupt in the kernel, where a lock may be held ([`interrupted`]).
//!
//! A lock that is free is taken without any of it: only who waits looks, and who is interrupted in ring 0.

use core::any::type_name;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::arch::MAX_CPUS;
use crate::panic;

/// What a processor that spins says of itself.
struct Spinning {
    /// 0, or the number plus one of the processor that has what it waits for.
    waits_for: AtomicU32,
    /// How often it has looked.
    looks: AtomicU32,
}

static SPINNING: [Spinning; MAX_CPUS] = [const {
    Spinning {
        waits_for: AtomicU32::new(0),
        looks: AtomicU32::new(0),
    }
}; MAX_CPUS];

/// Looks of a waiter between two looks at the graph.
const LOOKS: u32 = 1024;

/// The processor that has a lock takes it again.
#[cold]
pub(super) fn taken_twice<T: ?Sized>(me: u32) -> ! {
    panic!(
        "spin lock of {} taken twice on one processor, number {}",
        type_name::<T>(),
        me - 1
    )
}

/// An interrupt has come in ring 0, at `rip`, and not where the kernel waits for one.
#[cold]
pub(crate) fn interrupted(vector: u64, rip: u64) -> ! {
    panic!(
        "interrupt {vector} in the kernel at {rip:#x}: interrupts are on where a lock may be held, \
         which the handler would wait for"
    )
}

/// A processor that waits for a lock; `me` is its number plus one, as in a lock.
pub(super) struct Wait {
    me: u32,
    /// How often each processor had looked when this one first saw a cycle.
    since: Option<[u32; MAX_CPUS]>,
}

impl Wait {
    pub(super) fn new(me: u32) -> Self {
        Self { me, since: None }
    }

    /// `owner` has the lock of a `T` still.
    pub(super) fn look<T: ?Sized>(&mut self, owner: u32) {
        if owner == self.me {
            taken_twice::<T>(owner);
        }
        let mine = &SPINNING[self.me as usize - 1];
        mine.waits_for.store(owner, Relaxed);
        let looks = mine.looks.load(Relaxed).wrapping_add(1);
        mine.looks.store(looks, Relaxed);
        if !looks.is_multiple_of(LOOKS) {
            return;
        }
        // Whoever has it may have been stopped, and there is no other message than that.
        panic::end_if_under_way();
        if self.is_deadlock() {
            let [me, owner] = [self.me, owner].map(|number| number - 1);
            panic!(
                "deadlock of processors: {me} waits for a spin lock of {} held by {owner}, which waits \
                 for one held by {}",
                type_name::<T>(),
                SPINNING[owner as usize]
                    .waits_for
                    .load(Relaxed)
                    .wrapping_sub(1)
            );
        }
    }

    /// Whether there was a cycle at two looks, and everybody in it has looked in between: while this one
    /// waits it gives nothing back, so that who still waits for it does so in vain.
    fn is_deadlock(&mut self) -> bool {
        let waits_for = |number: u32| SPINNING[number as usize - 1].waits_for.load(Relaxed);
        if !is_cycle(self.me, waits_for) {
            self.since = None;
            return false;
        }
        let looks = SPINNING
            .each_ref()
            .map(|spinning| spinning.looks.load(Relaxed));
        let Some(since) = self.since else {
            self.since = Some(looks);
            return false;
        };
        let mut number = waits_for(self.me);
        while number != self.me && number != 0 {
            let index = number as usize - 1;
            // Twice, as the first of them may have begun before.
            if looks[index].wrapping_sub(since[index]) < 2 {
                return false;
            }
            number = waits_for(number);
        }
        number == self.me
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        SPINNING[self.me as usize - 1].waits_for.store(0, Relaxed);
    }
}

/// Whether who waits for whom leads from `me` back to it. Numbers are those in locks, 0 is nobody.
fn is_cycle(me: u32, waits_for: impl Fn(u32) -> u32) -> bool {
    let mut number = waits_for(me);
    for _ in 0..MAX_CPUS {
        if number == me || number == 0 {
            break;
        }
        number = waits_for(number);
    }
    number == me
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_cycle_in(me: u32, graph: &[u32]) -> bool {
        is_cycle(me, |number| graph[number as usize - 1])
    }

    #[test]
    fn a_cycle_is_one_that_comes_back() {
        assert!(is_cycle_in(1, &[2, 1]));
        assert!(is_cycle_in(2, &[3, 1, 2]));
        assert!(!is_cycle_in(1, &[2, 0]));
        assert!(
            !is_cycle_in(1, &[2, 3, 2]),
            "others are in it, this one waits for them"
        );
        assert!(!is_cycle_in(1, &[0]));
    }

    #[test]
    fn waiters_that_look_again_and_still_wait_are_a_deadlock() {
        // The last two processors, which no other test uses.
        let [a, b] = [MAX_CPUS as u32 - 1, MAX_CPUS as u32];
        let (mut first, mut other) = (Wait::new(a), Wait::new(b));
        let mut look = || {
            for _ in 0..LOOKS {
                first.look::<u8>(b);
            }
        };
        look();
        // The other has said once that it waits, and has not looked since: it may be on its way.
        other.look::<u16>(a);
        look();
        look();
        other.look::<u16>(a);
        other.look::<u16>(a);
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(look));
        let message = caught.unwrap_err();
        let message = message.downcast_ref::<String>().unwrap();
        assert!(message.contains("spin lock of u8"), "{message}");
    }
}
