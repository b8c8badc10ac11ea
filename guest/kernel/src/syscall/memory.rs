//! Address spaces.

use abi::syscall::{Advice, DiskWrites, Errno, PageSize, Protection, Replacement};

use super::Outcome;
use crate::arch::cpu;
use crate::machine;
use crate::mm::addr::{HUGE_BYTES, LARGE_BYTES};
use crate::mm::area::Backing;
use crate::mm::disk_file::DiskPart;
use crate::mm::replacement;
use crate::mm::{PAGE_BYTES, swap, zeroes};
use crate::process::{Kind, current};

/// Least frames of a budget: one instruction can need this many pages at once, twice over.
const LEAST_BUDGET: u64 = 8;

pub(super) fn sys_mmap(bytes: u64, protection: u64, size: u64) -> Outcome {
    let protection = Protection::from_number(protection).ok_or(Errno::Inval)?;
    let (backing, page_bytes) = match PageSize::from_number(size).ok_or(Errno::Inval)? {
        PageSize::Small => (Backing::Zero, PAGE_BYTES),
        PageSize::Large => (Backing::Large, LARGE_BYTES),
        PageSize::Huge => return map_huge(bytes, protection),
    };
    let bytes = whole_pages(bytes, page_bytes)?;
    current().with_space(|space| space.map_anywhere(bytes, protection, backing))
}

fn map_huge(bytes: u64, protection: Protection) -> Outcome {
    if !cpu::has_huge_pages() {
        return Err(Errno::NoSys);
    }
    let bytes = whole_pages(bytes, HUGE_BYTES)?;
    if protection != Protection::ReadWrite {
        return Err(Errno::Inval);
    }
    current().with_space(|space| space.map_huge(bytes))
}

pub(super) fn sys_mmap_shared(bytes: u64) -> Outcome {
    let bytes = whole_pages(bytes, PAGE_BYTES)?;
    current().with_space(|space| space.map_common(bytes))
}

pub(super) fn sys_munmap(address: u64, bytes: u64) -> Outcome {
    let (start, end) = range(address, bytes)?;
    current().with_space(|space| space.unmap(start, end).map(|()| 0))
}

pub(super) fn sys_mprotect(address: u64, bytes: u64, protection: u64) -> Outcome {
    let protection = Protection::from_number(protection).ok_or(Errno::Inval)?;
    let (start, end) = range(address, bytes)?;
    current().with_space(|space| space.protect(start, end, protection).map(|()| 0))
}

pub(super) fn sys_set_frame_budget(pages: u64, policy: u64) -> Outcome {
    let policy = match Replacement::from_number(policy).ok_or(Errno::Inval)? {
        Replacement::Default => machine::get().replacement,
        Replacement::Fifo => replacement::FIFO,
        Replacement::Clock => replacement::CLOCK,
    };
    let budget = match pages {
        0 => None,
        _ if !swap::is_there() => return Err(Errno::NoSpc),
        pages if pages < LEAST_BUDGET => return Err(Errno::Inval),
        pages => Some((pages, policy)),
    };
    current().with_space(|space| space.set_budget(budget).map(|()| 0))
}

fn whole_pages(bytes: u64, page_bytes: u64) -> Result<u64, Errno> {
    bytes
        .checked_next_multiple_of(page_bytes)
        .filter(|bytes| *bytes != 0)
        .ok_or(Errno::Inval)
}

/// Whole pages from `address`, which begins one, up to an address.
pub(super) fn range(address: u64, bytes: u64) -> Result<(u64, u64), Errno> {
    let end = address
        .checked_add(whole_pages(bytes, PAGE_BYTES)?)
        .filter(|_| address.is_multiple_of(PAGE_BYTES));
    end.map(|end| (address, end)).ok_or(Errno::Inval)
}

pub(super) fn sys_advise((address, bytes): (u64, u64), advice: u64, number: u64) -> Outcome {
    let advice = Advice::from_number(advice).ok_or(Errno::Inval)?;
    let (start, end) = range(address, bytes)?;
    current().with_space(|space| space.advise(start..end, advice, number))
}

pub(super) fn sys_fill_zeroes(frames: u64) -> Outcome {
    Ok(zeroes::fill(frames))
}

pub(super) fn sys_map_disk(
    fd: u64,
    (offset, bytes): (u64, u64),
    protection: u64,
    writes: u64,
) -> Outcome {
    let protection = Protection::from_number(protection).ok_or(Errno::Inval)?;
    let writes = DiskWrites::from_number(writes).ok_or(Errno::Inval)?;
    let bytes = whole_pages(bytes, PAGE_BYTES)?;
    let process = current();
    let file = process.files.lock().get(fd)?;
    let Kind::Block(device) = file.kind else {
        return Err(Errno::Inval);
    };
    let part = DiskPart {
        device,
        offset,
        writes,
    };
    process.with_space(|space| space.map_disk(part, bytes, protection))
}
