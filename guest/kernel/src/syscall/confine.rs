//! Confined areas, and pools of frames for them.

use alloc::vec::Vec;

use abi::confine::{Confine, MOST_USES};
use abi::syscall::Errno;

use super::Outcome;
use super::memory::range;
use crate::mm::pool;
use crate::mm::space::VmSpace;
use crate::process::current;

pub(super) fn sys_confine(address: u64, bytes: u64, how: u64) -> Outcome {
    let (start, end) = range(address, bytes)?;
    let process = current();
    process.with_space(|space| {
        if how == 0 {
            space.unconfine(start, end)?;
            return Ok(0);
        }
        let how: Confine = space.read(how)?;
        if how.pool > 0 && process.has_borrowed() {
            // The pool would look for the area here when it is long back where it is of.
            return Err(Errno::Inval);
        }
        let future = read_numbers(space, how.future, how.future_len)?;
        space.confine(start..end, &how, &future, &process.space)?;
        Ok(0)
    })
}

/// `len` numbers at the program's `address`.
fn read_numbers(space: &mut VmSpace, address: u64, len: u64) -> Result<Vec<u32>, Errno> {
    if len > MOST_USES {
        return Err(Errno::Inval);
    }
    let mut bytes = Vec::new();
    let len = len as usize * size_of::<u32>();
    bytes.try_reserve_exact(len).map_err(|_| Errno::NoMem)?;
    bytes.resize(len, 0);
    space.copy_in(address, &mut bytes)?;
    let (words, _) = bytes.as_chunks();
    Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
}

pub(super) fn sys_confined_counts(address: u64, counts: u64) -> Outcome {
    current().with_space(|space| {
        let found = space.confined_counts(address)?;
        space.write(counts, &found)?;
        Ok(0)
    })
}

pub(super) fn sys_confined_trace(address: u64, from: u64, uses: u64, len: u64) -> Outcome {
    current().with_space(|space| {
        let found = space.confined_uses(address, from, len)?;
        let bytes: Vec<u8> = found.iter().flat_map(|use_| use_.to_le_bytes()).collect();
        space.copy_out(uses, &bytes)?;
        Ok(found.len() as u64)
    })
}

pub(super) fn sys_pool_open(setup: u64) -> Outcome {
    current().with_space(|space| {
        let setup = space.read(setup)?;
        space.open_pool(setup)
    })
}

pub(super) fn sys_pool_close(number: u64) -> Outcome {
    current().with_space(|space| space.close_pool(number).map(|()| 0))
}

pub(super) fn sys_pool_counts(number: u64, counts: u64) -> Outcome {
    let found = pool::counts(number)?;
    current().with_space(|space| space.write(counts, &found).map(|()| 0))
}

pub(super) fn sys_pool_serve(number: u64) -> Outcome {
    let process = current();
    pool::serve(number, || process.is_ending()).map(|()| 0)
}
