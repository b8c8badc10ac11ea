//! Debian's kernel for PCs as a guest: its drivers keep the models of a PC's devices honest.

use anyhow::{Result, ensure};
use std::time::Duration;
use tests::linux::{KernelFile, LinuxGuest, dmesg, said};
use tests::require_linux;

/// Its kernel is large, and the machine slow: most of this goes before the first process.
const DEADLINE: Duration = Duration::from_secs(60);

#[test]
fn the_kernel_for_pcs_boots() -> Result<()> {
    require_linux!();
    let guest = LinuxGuest::new(KernelFile::Full, "echo kernel: $(uname -r)").vm()?;
    let guest = guest.memory("256M").deadline(DEADLINE);
    let ended = guest.run()?.expect(0)?;
    let text = ended.text();
    let version = said(&text, "kernel:")?;
    ensure!(!version.contains("cloud"), "{version}");
    dmesg::is_clean(&text)
}
