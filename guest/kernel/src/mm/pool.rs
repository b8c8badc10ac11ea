//! Pools of frames that confined areas of several processes share.
//!
//! ```text
//!   page needed ──> admit ──> policy divides ──> share ──> the area's own policy evicts within it
//!                    │  │
//!                    │  └── suspended: all its pages go, and it waits for a share
//!                    └───── global and full: a page of whoever is next goes, and it tries again
//! ```
//! Those that wait do so without the lock of their address space, so that others may evict from it:
//! no two address spaces are locked at a time.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use abi::confine::{PoolCounts, PoolSetup};
use abi::syscall::Errno;

use super::allocation::{self, FrameAllocation, Member, Settings, check};
use super::space::VmSpace;
use crate::console;
use crate::sched::WaitQueue;
use crate::sync::{Mutex, SpinLock};

/// Number of the member that came last; none is used twice, so that nobody sits in another's pool.
static LAST_ID: AtomicU64 = AtomicU64::new(0);

/// Most frames of a pool.
const MOST_FRAMES: u64 = 4096;
/// Most members.
const MOST_MEMBERS: usize = 64;
/// Most pools at a time.
const MOST_POOLS: usize = 8;

/// Where an area's address space is.
pub type Home = &'static Mutex<Option<VmSpace>>;

/// A member's place in a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    pool: usize,
    id: u64,
}

/// What a member may do that needs a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Have so many frames.
    Share(u64),
    /// Wait, without any.
    Suspended,
    /// Have a page of the pool's evicted first.
    Full,
}

struct Pool {
    state: SpinLock<Option<State>>,
    /// Shares have changed, or there are fewer free frames.
    changes: WaitQueue,
}

struct State {
    setup: PoolSetup,
    policy: Box<dyn FrameAllocation>,
    name: &'static str,
    members: Vec<Member>,
    /// Where each member's area is, by its number.
    homes: Vec<(u64, Home, u64)>,
    /// Members by the pages that came into memory, the oldest first.
    order: VecDeque<u64>,
    counts: PoolCounts,
}

static POOLS: [Pool; MOST_POOLS] = [const {
    Pool {
        state: SpinLock::new(None),
        changes: WaitQueue::new(),
    }
}; MOST_POOLS];

/// A pool as `setup` says; its number.
pub fn open(setup: PoolSetup) -> Result<usize, Errno> {
    let known = setup.allocation_name().and_then(allocation::from_name);
    let known = known.ok_or(Errno::Inval)?;
    let is_right = (1..=MOST_FRAMES).contains(&setup.frames)
        && setup.low <= setup.high
        && setup.high <= setup.frames;
    if !is_right {
        return Err(Errno::Inval);
    }
    let settings = Settings {
        low: setup.low_interval,
        high: setup.high_interval,
    };
    let state = State {
        setup,
        policy: (known.make)(settings),
        name: known.name,
        members: Vec::new(),
        homes: Vec::new(),
        order: VecDeque::new(),
        counts: PoolCounts::default(),
    };
    let mut free = POOLS.iter().enumerate();
    let (number, pool) = free
        .find(|(_, pool)| pool.state.lock().is_none())
        .ok_or(Errno::NoMem)?;
    *pool.state.lock() = Some(state);
    Ok(number)
}

/// Ends a pool: its members are on their own, without a limit.
pub fn close(number: usize) {
    *POOLS[number].state.lock() = None;
    POOLS[number].changes.wake_all();
}

/// What has happened in a pool.
pub fn counts(number: u64) -> Result<PoolCounts, Errno> {
    let pool = usize::try_from(number).ok().and_then(|n| POOLS.get(n));
    let state = pool.ok_or(Errno::Inval)?.state.lock();
    let state = state.as_ref().ok_or(Errno::Inval)?;
    let is_suspended = |member: &&Member| member.share == 0;
    Ok(PoolCounts {
        members: state.members.len() as u64,
        suspended: state.members.iter().filter(is_suspended).count() as u64,
        used: state.order.len() as u64,
        ..state.counts
    })
}

/// Makes an area of `pages` pages at `start` of the address space at `home` a member.
pub fn join(number: u64, home: Home, start: u64, pages: u64, priority: u64) -> Result<Seat, Errno> {
    let number = usize::try_from(number).map_err(|_| Errno::Inval)?;
    let pool = POOLS.get(number).ok_or(Errno::Inval)?;
    let mut state = pool.state.lock();
    let state = state.as_mut().ok_or(Errno::Inval)?;
    let members = state.members.len();
    if members >= MOST_MEMBERS || members as u64 >= state.setup.frames {
        return Err(Errno::NoMem);
    }
    let id = LAST_ID.fetch_add(1, Relaxed) + 1;
    state.members.push(Member {
        id,
        pages,
        priority: priority.clamp(1, MOST_PRIORITY),
        ..Member::default()
    });
    state.homes.push((id, home, start));
    state.divide(None);
    Ok(Seat { pool: number, id })
}

/// Highest priority of a member.
const MOST_PRIORITY: u64 = 1 << 16;

impl State {
    /// Lets the policy divide, and looks what it has done; whether some member may go on again.
    fn divide(&mut self, faulting: Option<u64>) -> bool {
        let frames = self.setup.frames;
        let before: Vec<u64> = self.members.iter().map(|member| member.share).collect();
        self.policy.divide(frames, &mut self.members, faulting);
        if let Some(what) = check(frames, &self.members) {
            self.counts.refused += 1;
            console::print(format_args!("{}: refused, as it {what}\n", self.name));
            let equal = frames / self.members.len().max(1) as u64;
            self.members
                .iter_mut()
                .for_each(|member| member.share = equal);
        }
        let after = self.members.iter().map(|member| member.share);
        let mut resumed = false;
        for (old, new) in before.into_iter().zip(after) {
            self.counts.suspensions += u64::from(old > 0 && new == 0);
            resumed |= old == 0 && new > 0;
        }
        resumed
    }

    fn free(&self) -> u64 {
        self.setup.frames.saturating_sub(self.order.len() as u64)
    }
}

impl Seat {
    fn with<R>(self, use_it: impl FnOnce(&mut State) -> R) -> Option<R> {
        POOLS[self.pool].state.lock().as_mut().map(use_it)
    }

    fn changed(self) {
        POOLS[self.pool].changes.wake_all();
    }

    /// What the member may do, which is as `told` says and needs a page.
    pub fn admit(self, told: Member) -> Admission {
        let admission = self.with(|state| {
            if state.policy.is_global() {
                return match state.free() {
                    0 => (Admission::Full, false),
                    free => (Admission::Share(u64::MAX), free <= state.setup.low),
                };
            }
            if let Some(member) = state.members.iter_mut().find(|member| member.id == self.id) {
                member.interval = told.interval;
                member.working_set = told.working_set;
            }
            let resumed = state.divide(Some(self.id));
            (self.share_of(state), resumed)
        });
        let Some((admission, has_changed)) = admission else {
            return Admission::Share(u64::MAX);
        };
        if has_changed {
            self.changed();
        }
        admission
    }

    /// Whether the member may go on that needs no page.
    pub fn is_suspended(self) -> bool {
        self.with(|state| self.share_of(state)) == Some(Admission::Suspended)
    }

    fn share_of(self, state: &State) -> Admission {
        let mut members = state.members.iter();
        let share = members.find(|member| member.id == self.id);
        match share.map_or(u64::MAX, |member| member.share) {
            0 => Admission::Suspended,
            share => Admission::Share(share),
        }
    }

    /// A page of the member has come into memory.
    pub fn came(self) {
        self.with(|state| {
            state.order.push_back(self.id);
            state.counts.faults += 1;
            state.counts.most_used = state.counts.most_used.max(state.order.len() as u64);
        });
    }

    /// A page of the member has gone.
    pub fn went(self) {
        self.with(|state| {
            if let Some(oldest) = state.order.iter().position(|id| *id == self.id) {
                state.order.remove(oldest);
            }
        });
    }

    /// The member is none any more.
    pub fn leave(self) {
        self.with(|state| {
            state.members.retain(|member| member.id != self.id);
            state.homes.retain(|(id, ..)| *id != self.id);
            state.order.retain(|id| *id != self.id);
            state.divide(None);
        });
        self.changed();
    }

    /// Waits until the member may try again, or `is_ending`. No address space is locked.
    pub fn wait(self, is_ending: impl Fn() -> bool) {
        if self.is_suspended() {
            let may_go = || is_ending() || !self.is_suspended();
            POOLS[self.pool].changes.wait_until(may_go);
        } else if self.with(|state| state.free() == 0) == Some(true) {
            relieve(self.pool);
            self.with(|state| state.counts.direct += 1);
        }
        self.changed();
    }
}

/// Evicts a page of the pool: of the member whose turn it is, that which its own policy names. Sleeps.
fn relieve(number: usize) {
    let next = POOLS[number].state.lock().as_mut().and_then(|state| {
        let id = state.order.front()?;
        let home = state.homes.iter().find(|(other, ..)| other == id);
        home.copied()
    });
    let Some((id, home, start)) = next else {
        return;
    };
    // A swap area that is full or fails shows at the fault that needs the frame.
    let evicted = home.lock().as_mut().map(|space| space.evict_from(start));
    if evicted != Some(Ok(true))
        && let Some(state) = POOLS[number].state.lock().as_mut()
        && state.order.front() == Some(&id)
    {
        // Nothing of it can go now.
        state.order.rotate_left(1);
    }
}

/// Keeps frames of a pool free, until it is closed or `is_ending`: whenever there are fewer than its
/// low watermark, pages go until there are as many as its high one. Sleeps.
pub fn serve(number: u64, is_ending: impl Fn() -> bool) -> Result<(), Errno> {
    let number = usize::try_from(number).map_err(|_| Errno::Inval)?;
    let pool = POOLS.get(number).ok_or(Errno::Inval)?;
    let look = |below: fn(&State) -> u64| {
        let state = pool.state.lock();
        state.as_ref().map(|state| state.free() < below(state))
    };
    look(|_| 0).ok_or(Errno::Inval)?;
    while !is_ending() {
        pool.changes
            .wait_until(|| is_ending() || look(|state| state.setup.low) != Some(false));
        while !is_ending() && look(|state| state.setup.high) == Some(true) {
            relieve(number);
            if let Some(state) = pool.state.lock().as_mut() {
                state.counts.daemon += 1;
            }
        }
        if look(|_| 0).is_none() {
            break;
        }
    }
    Ok(())
}
