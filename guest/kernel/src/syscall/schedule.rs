//! What the scheduler is told, and tells.

use abi::syscall::{Errno, Inheritance, TaskAttribute, Turn};

use super::Outcome;
use super::process::text;
use crate::arch::clock;
use crate::process::{current, give_lock, take_lock};
use crate::sched::policy::Policy;
use crate::sched::{self, LONGEST_SLICE_NS, turns};

const SLICES_NS: core::ops::RangeInclusive<u64> = 250_000..=LONGEST_SLICE_NS;
const WEIGHTS: core::ops::RangeInclusive<u64> = 1..=10_000;

pub(super) fn sys_set_scheduler(name: (u64, u64), slice_ns: u64) -> Outcome {
    let name = text(name)?;
    let policy = match &*name {
        [] => None,
        name => {
            let name = core::str::from_utf8(name).map_err(|_| Errno::Inval)?;
            Some(Policy::from_name(name).ok_or(Errno::Inval)?)
        }
    };
    let slice_ns = Some(slice_ns).filter(|slice_ns| *slice_ns != 0);
    if slice_ns.is_some_and(|slice_ns| !SLICES_NS.contains(&slice_ns)) {
        return Err(Errno::Inval);
    }
    sched::change(policy, slice_ns);
    sched::reschedule();
    Ok(0)
}

pub(super) fn sys_set_task(attribute: u64, value: u64) -> Outcome {
    let thread = sched::current();
    match TaskAttribute::from_number(attribute).ok_or(Errno::Inval)? {
        TaskAttribute::Length => {
            sched::thread_time_ns();
            thread.set_length(clock::ns_to_ticks(value));
        }
        TaskAttribute::Weight if !WEIGHTS.contains(&value) => return Err(Errno::Inval),
        TaskAttribute::Weight => thread.set_weight(value),
        TaskAttribute::Deadline if value == 0 => thread.set_deadline(0),
        TaskAttribute::Deadline => thread.set_deadline(clock::tsc_at(value)),
    }
    sched::reschedule();
    Ok(0)
}

pub(super) fn sys_thread_time() -> Outcome {
    Ok(sched::thread_time_ns())
}

pub(super) fn sys_trace_turns(capacity: u64) -> Outcome {
    if capacity > turns::MOST_TURNS {
        return Err(Errno::Inval);
    }
    turns::keep(capacity as usize).map(|()| 0)
}

pub(super) fn sys_read_turns(address: u64, first: u64, count: u64) -> Outcome {
    let last = first.saturating_add(count).min(turns::MOST_TURNS);
    let mut done = 0;
    for index in first..last {
        let Some(turn) = turns::get(index as usize) else {
            break;
        };
        let at = address
            .checked_add(done * size_of::<Turn>() as u64)
            .ok_or(Errno::Fault)?;
        current().with_space(|space| space.write(at, &turn))?;
        done += 1;
    }
    Ok(done)
}

pub(super) fn sys_set_stealing(is_on: u64) -> Outcome {
    match is_on {
        0 => sched::set_stealing(false),
        1 => sched::set_stealing(true),
        _ => return Err(Errno::Inval),
    }
    Ok(0)
}

pub(super) fn sys_take_lock(number: u64, inheritance: u64) -> Outcome {
    let inheritance = Inheritance::from_number(inheritance).ok_or(Errno::Inval)?;
    take_lock(number, inheritance).map(|()| 0)
}

pub(super) fn sys_give_lock(number: u64) -> Outcome {
    give_lock(number).map(|()| 0)
}
