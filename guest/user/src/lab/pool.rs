//! Frames that processes share.

use abi::confine::{PoolCounts, PoolSetup, name_bytes};

use super::confined::value_or;
use crate::check::{Check, Context as _, Failure};
use crate::sys;

/// A pool of frames, closed when dropped by the process that has opened it.
#[derive(Debug)]
pub struct Pool {
    number: u64,
    /// What it was opened with.
    pub setup: PoolSetup,
}

impl Pool {
    /// Of the arguments `allocation`, `frames` and, if they are there, `low`, `high` (watermarks),
    /// `low_interval` and `high_interval` (of uses between faults).
    pub fn of(check: &Check) -> Result<Self, Failure> {
        let name = check.text("allocation")?;
        let too_long = || Failure(alloc::format!("allocation={name} is too long a name"));
        let setup = PoolSetup {
            allocation: name_bytes(name).ok_or_else(too_long)?,
            frames: check.value("frames")?,
            low: value_or(check, "low", 0)?,
            high: value_or(check, "high", 0)?,
            low_interval: value_or(check, "low_interval", 4)?,
            high_interval: value_or(check, "high_interval", 64)?,
        };
        let number = sys::pool_open(&setup).map_err(|errno| {
            let frames = setup.frames;
            Failure(alloc::format!(
                "a pool of {frames} frames under allocation={name}: {errno:?}"
            ))
        })?;
        Ok(Self { number, setup })
    }

    /// By which confined areas name it.
    pub fn name(&self) -> u64 {
        self.number + 1
    }

    /// Keeps frames free until it is closed.
    pub fn serve(&self) -> Result<(), Failure> {
        sys::pool_serve(self.number).context("serving the pool")
    }

    /// What has happened in it.
    pub fn counts(&self) -> Result<PoolCounts, Failure> {
        let counts = sys::pool_counts(self.number).context("counts of the pool")?;
        ensure!(
            counts.refused == 0,
            "the allocation was refused: {counts:?}"
        );
        Ok(counts)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // One that another process has opened stays.
        let _ = sys::pool_close(self.number);
    }
}
