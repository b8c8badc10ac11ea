//! What communication costs this process.

use crate::check::{Context as _, Failure};
use crate::sys::ipc::transfers;
use abi::syscall::Transfers;

/// Runs `body`; what it gave, and crossings into the kernel and copies that it took.
pub fn cost<T>(body: impl FnOnce() -> T) -> Result<(T, Transfers), Failure> {
    let before = transfers().context("transfers")?;
    let result = body();
    let after = transfers().context("transfers")?;
    let cost = Transfers {
        crossings: after.crossings - before.crossings,
        copies: after.copies - before.copies,
        copied_bytes: after.copied_bytes - before.copied_bytes,
    };
    Ok((result, cost))
}
