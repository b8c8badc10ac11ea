//! Children that have their parent's address space, not a copy, until they run a program of their own
//! or end. The parent waits meanwhile, and has none.

use core::sync::atomic::Ordering;

use abi::syscall::Errno;

use super::exec::start_thread;
use super::{Process, current, kill};
use crate::arch::trap::TrapFrame;
use crate::mm::space::VmSpace;
use crate::sched;

/// Lends the running process's address space to a new child, whose only thread goes on with
/// `registers`; its number, when the address space is back. [`Errno::Again`] if there are other
/// threads, which could not run meanwhile.
pub(super) fn vfork(registers: TrapFrame) -> Result<u64, Errno> {
    let parent = current();
    if !parent.is_alone() {
        return Err(Errno::Again);
    }
    let child = Process::create(Some(parent)).ok_or(Errno::NoMem)?;
    child.be_like(parent);
    let mut space = parent.space.lock().take().ok_or(Errno::Srch)?;
    let resident = parent
        .shared
        .counters
        .resident_pages
        .load(Ordering::Relaxed);
    space.move_to(&child.shared, resident);
    child.shared.root.store(space.root().0, Ordering::Relaxed);
    *child.space.lock() = Some(space);
    child.lender.store(Some(parent));
    parent.has_lent.store(true, Ordering::SeqCst);
    let pid = child.pid();
    parent.children.lock().push(child);
    if let Err(error) = start_thread(child, registers, Some(sched::current())) {
        parent
            .children
            .lock()
            .retain(|other| !core::ptr::eq(*other, child));
        let space = child.space.lock().take();
        give_back(child, space, resident);
        return Err(error);
    }
    let is_back = || !parent.has_lent.load(Ordering::SeqCst);
    parent
        .changes
        .wait_until(|| is_back() || parent.is_ending());
    if !is_back() {
        // It cannot end without its address space; there is no child if that has gone just now.
        let _ = kill(pid);
        parent.changes.wait_until(is_back);
    }
    Ok(pid)
}

impl Process {
    /// Whether its address space is another's.
    pub(crate) fn has_borrowed(&self) -> bool {
        self.lender.load().is_some()
    }
}

/// `space`, which has `resident` pages in memory, is not needed any more by `process`: it goes back to
/// whom it is of, if it was lent, else away. No processor uses it.
pub(super) fn give_back(process: &Process, space: Option<VmSpace>, resident: u64) {
    let lender = process.lender.load();
    process.lender.store(None);
    if let (Some(lender), Some(mut space)) = (lender, space) {
        space.move_to(&lender.shared, resident);
        *lender.space.lock() = Some(space);
        lender.has_lent.store(false, Ordering::SeqCst);
        lender.changes.wake_all();
    }
}
