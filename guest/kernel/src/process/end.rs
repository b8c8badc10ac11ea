//! Ends: of threads, of processes, by their own will, another's, or a fault.

use core::sync::atomic::Ordering;

use abi::port::Exit;
use abi::record::Record;
use abi::syscall::{EndCause, Errno, ExitStatus};

use super::vfork::give_back;
use super::{FIRST_PID, POOL, Process, current, locks};
use crate::arch::context::use_page_table;
use crate::arch::power;
use crate::arch::trap::TrapFrame;
use crate::mm::addr::page_start;
use crate::mm::fault::Access;
use crate::mm::kernel_map;
use crate::mm::space::VmSpace;
use crate::{console, sched};

/// Names of the exceptions that ring 3 can cause (SDM 3A table 6-1).
const EXCEPTIONS: &[(u64, &str)] = &[
    (0, "division error"),
    (1, "debug exception"),
    (3, "breakpoint"),
    (4, "overflow"),
    (5, "bound range exceeded"),
    (6, "invalid opcode"),
    (11, "segment not present"),
    (12, "stack fault"),
    (13, "general protection"),
    (16, "floating-point error"),
    (17, "alignment check"),
    (19, "SIMD floating-point error"),
];

/// A page fault of ring 3 at `address`: makes the page, or ends the process.
pub(crate) fn page_fault(frame: &TrapFrame, address: u64) {
    let process = current();
    process
        .shared
        .counters
        .page_faults
        .fetch_add(1, Ordering::Relaxed);
    let access = Access::from_error_code(frame.error);
    let answer = |space: &mut VmSpace| {
        space.fault(address, access)?;
        space.note_use(page_start(address), || frame.digest());
        Ok(())
    };
    let mut outcome = process.with_space(answer);
    while outcome == Err(Errno::Again) && !process.is_ending() {
        wait_for_frames(process, address);
        outcome = process.with_space(answer);
    }
    let (cause, words) = match outcome {
        Ok(()) | Err(Errno::Again) => return,
        Err(Errno::Fault) => (EndCause::PageFault, describe(access)),
        Err(Errno::NoMem) => (EndCause::OutOfMemory, "out of memory"),
        Err(Errno::NoSpc) => (EndCause::OutOfMemory, "out of swap space"),
        Err(_) => (EndCause::OutOfMemory, "swap device failed"),
    };
    end_by_fault(process, cause, words, address, frame.rip);
}

/// Waits, with nothing locked, until the pool may have a frame for `address`.
fn wait_for_frames(process: &Process, address: u64) {
    let seat = process.with_space(|space| Ok(space.seat(address)));
    if let Ok(Some(seat)) = seat {
        seat.wait(|| process.is_ending());
    }
}

fn describe(access: Access) -> &'static str {
    match access {
        Access::Read => "read of an address that is not its own",
        Access::Write => "write to an address that is not its own",
        Access::Execute => "jump to an address that is not its own",
    }
}

/// Another exception of ring 3: ends the process.
pub(crate) fn exception(frame: &TrapFrame) {
    let name = EXCEPTIONS
        .iter()
        .find(|(vector, _)| *vector == frame.vector)
        .map_or("exception", |(_, name)| name);
    end_by_fault(
        current(),
        EndCause::Exception,
        name,
        frame.vector,
        frame.rip,
    );
}

fn end_by_fault(process: &'static Process, cause: EndCause, words: &str, detail: u64, rip: u64) {
    let status = ExitStatus {
        cause: cause as u32,
        code: 0,
        detail,
    };
    if end(process, status) {
        let program = process.name.lock().clone();
        console::record(&Record::Killed {
            pid: process.pid(),
            program: &program,
            cause: words,
            detail,
            rip,
        });
    }
}

/// Ends the running process with `code`. The thread ends on its way back to ring 3.
pub(crate) fn exit(code: i32) {
    end(
        current(),
        ExitStatus {
            cause: EndCause::Exited as u32,
            code,
            detail: 0,
        },
    );
}

/// Kills a child of the running process.
pub(crate) fn kill(pid: u64) -> Result<(), Errno> {
    let children = current().children.lock();
    let child = children.iter().copied().find(|child| child.pid() == pid);
    drop(children);
    let child = child
        .filter(|child| !child.ended.load(Ordering::Acquire))
        .ok_or(Errno::Srch)?;
    end(
        child,
        ExitStatus {
            cause: EndCause::Killed as u32,
            code: 0,
            detail: 0,
        },
    );
    Ok(())
}

/// Lets all threads of `process` end, for the reason in `status`; false if they have one.
pub(super) fn end(process: &'static Process, status: ExitStatus) -> bool {
    {
        let mut cause = process.cause.lock();
        if cause.is_some() {
            return false;
        }
        *cause = Some(status);
    }
    process.ending.store(true, Ordering::SeqCst);
    process.attention.store(true, Ordering::SeqCst);
    let threads = process.threads.lock().clone();
    for thread in threads {
        if !sched::wake(thread) {
            // In ring 3, maybe: an interrupt makes it come in and look.
            sched::poke(thread);
        }
    }
    true
}

/// Ends the running thread; the last of its process ends that, too.
pub(crate) fn exit_thread() -> ! {
    let (process, me) = (current(), sched::current());
    locks::give_all(process, me);
    let is_last = {
        let mut threads = process.threads.lock();
        threads.retain(|thread| !core::ptr::eq(*thread, me));
        threads.is_empty()
    };
    process.signals.forget(me);
    if is_last {
        tear_down(process);
    } else {
        process.changes.wake_all();
    }
    leave(process, is_last);
    sched::exit()
}

/// The running thread leaves `process`, and if it was the last, the process has ended.
fn leave(process: &'static Process, is_last: bool) {
    let me = sched::current();
    use_page_table(kernel_map::root());
    process
        .shared
        .cpus
        .fetch_and(!(1 << crate::arch::cpu_id()), Ordering::SeqCst);
    me.leave_process();
    if !is_last {
        return;
    }
    if let Some(parent) = process.parent.load() {
        let children = parent.children.lock();
        // Otherwise it has lost its parent meanwhile.
        if children.iter().any(|child| core::ptr::eq(*child, process)) {
            process.ended.store(true, Ordering::Release);
            drop(children);
            return parent.changes.wake_all();
        }
    }
    POOL.give_back(process);
}

/// Frees what `process`, which has no thread but the running one, has.
fn tear_down(process: &'static Process) {
    if process.pid() == FIRST_PID {
        end_of_first(process);
    }
    use_page_table(kernel_map::root());
    process.shared.cpus.store(0, Ordering::SeqCst);
    let space = process.space.lock().take();
    let resident = process
        .shared
        .counters
        .resident_pages
        .load(Ordering::Relaxed);
    give_back(process, space, resident);
    let files = core::mem::take(&mut *process.files.lock());
    drop(files);
    let mut children = process.children.lock();
    for child in children.drain(..) {
        child.parent.store(None);
        if child.ended.load(Ordering::Acquire) {
            POOL.give_back(child);
        }
    }
}

/// Without its first process the machine has nothing to do.
fn end_of_first(process: &Process) -> ! {
    let status = process.cause.lock().unwrap_or_default();
    let is_well = status.cause == EndCause::Exited as u32 && status.code == 0;
    power::end(if is_well {
        Exit::PowerOff
    } else {
        Exit::Failed
    } as u8)
}

/// Waits for a child of the running process to end: `pid`, or any for 0. Gives its number and
/// how it ended.
pub(crate) fn wait_for_child(pid: u64, deadline_ns: u64) -> Result<(u64, ExitStatus), Errno> {
    let process = current();
    let mut found = Err(Errno::TimedOut);
    process.changes.wait_until_deadline(
        || {
            let result = look_for_child(process, pid);
            let is_over = !matches!(result, Ok(None)) || process.is_disturbed();
            found = result.and_then(|child| child.ok_or(Errno::TimedOut));
            is_over
        },
        deadline_ns,
    );
    let child = match found {
        Err(Errno::TimedOut) if process.is_disturbed() => return Err(Errno::Intr),
        found => found?,
    };
    let status = child.cause.lock().unwrap_or_default();
    let pid = child.pid();
    POOL.give_back(child);
    Ok((pid, status))
}

/// Takes an ended child out of the list; `None` if none of those meant has ended yet.
fn look_for_child(process: &Process, pid: u64) -> Result<Option<&'static Process>, Errno> {
    let mut children = process.children.lock();
    let is_meant = |child: &&'static Process| pid == 0 || child.pid() == pid;
    if !children.iter().any(&is_meant) {
        return Err(Errno::Child);
    }
    let ended = children
        .iter()
        .position(|child| is_meant(child) && child.ended.load(Ordering::Acquire));
    Ok(ended.map(|index| children.swap_remove(index)))
}
