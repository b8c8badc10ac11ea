//! A pool of frames that were filled with zeroes before anybody needs them, so that a fault need not.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::addr::PhysAddr;
use super::frame;
use crate::sync::SpinLock;

/// Most frames in it.
const MOST: usize = 1024;

static POOL: SpinLock<Vec<PhysAddr>> = SpinLock::new(Vec::new());
/// Frames in it, to find out without the lock that there are none.
static LEN: AtomicUsize = AtomicUsize::new(0);

/// Makes the pool have `frames`, or as many as there is memory for; how many it has.
pub fn fill(frames: u64) -> u64 {
    let wanted = usize::try_from(frames).unwrap_or(MOST).min(MOST);
    while LEN.load(Relaxed) < wanted {
        let Some(frame) = frame::allocate_zeroed(0) else {
            break;
        };
        let mut pool = POOL.lock();
        pool.push(frame);
        LEN.store(pool.len(), Relaxed);
    }
    while LEN.load(Relaxed) > wanted
        && let Some(frame) = take()
    {
        frame::release(frame, 0);
    }
    LEN.load(Relaxed) as u64
}

/// A frame of zeroes, if there is one.
#[inline]
pub(super) fn take() -> Option<PhysAddr> {
    if LEN.load(Relaxed) == 0 {
        return None;
    }
    let mut pool = POOL.lock();
    let frame = pool.pop();
    LEN.store(pool.len(), Relaxed);
    frame
}
