//! Disks to work on: temporary, every page with its mark.

use abi::image::{SCRATCH_DISK_BYTES, WORK_BYTES, page_mark};
use devices::disk::{DiskError, DiskFile};
use std::io;
use std::os::unix::fs::FileExt;

const PAGE: usize = 4096;
/// Written at once.
const PIECE_PAGES: usize = 256;

/// A disk whose first [`WORK_BYTES`] are marked.
pub(super) fn marked() -> Result<DiskFile, DiskError> {
    let disk = DiskFile::temporary(SCRATCH_DISK_BYTES)?;
    let marked = mark(&disk);
    marked.map_err(|source| DiskError::Io {
        path: "temporary".into(),
        source,
    })?;
    Ok(disk)
}

fn mark(disk: &DiskFile) -> io::Result<()> {
    let mut piece = vec![0; PIECE_PAGES * PAGE];
    let piece_bytes = piece.len() as u64;
    for offset in (0..WORK_BYTES).step_by(piece.len()) {
        let pages = (offset / PAGE as u64..).zip(piece.chunks_exact_mut(PAGE));
        for (page, bytes) in pages {
            bytes[..8].copy_from_slice(&page_mark(page).to_le_bytes());
        }
        let left = (WORK_BYTES - offset).min(piece_bytes) as usize;
        disk.file().write_all_at(&piece[..left], offset)?;
    }
    Ok(())
}
