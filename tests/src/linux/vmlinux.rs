//! Takes the ELF file out of a bzImage, as a person does with the kernel's extract-vmlinux.

use anyhow::{Context, Result, ensure};

/// Fields of the setup header (Linux x86 boot.rst).
const SETUP_SECTS: usize = 0x1f1;
const MAGIC: usize = 0x202;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
const SECTOR: usize = 512;
/// First word of LZ4's legacy frames, which the kernel's build uses (lz4_Frame_format.md).
const LZ4_LEGACY: u32 = 0x184c_2102;
/// A block of such a frame becomes no more than this.
const BLOCK_BYTES: usize = 8 << 20;

/// The kernel proper of a bzImage that is compressed with LZ4, as Debian's cloud kernel is.
pub fn extract(bzimage: &[u8]) -> Result<Vec<u8>> {
    ensure!(bzimage.get(MAGIC..MAGIC + 4) == Some(b"HdrS"), "no bzImage");
    let sectors = match bzimage[SETUP_SECTS] {
        0 => 4,
        some => usize::from(some),
    };
    let start = (sectors + 1) * SECTOR + word(bzimage, PAYLOAD_OFFSET)? as usize;
    let len = word(bzimage, PAYLOAD_LENGTH)? as usize;
    let payload = bzimage.get(start..).and_then(|rest| rest.get(..len));
    let payload = payload.context("the kernel's payload is outside of it")?;
    let vmlinux = decompress(payload)?;
    ensure!(
        vmlinux.starts_with(b"\x7fELF"),
        "the payload is no ELF file"
    );
    Ok(vmlinux)
}

/// Blocks after the magic, each after its size; the last word is the size of the whole.
fn decompress(payload: &[u8]) -> Result<Vec<u8>> {
    ensure!(
        word(payload, 0)? == LZ4_LEGACY,
        "the kernel is not compressed with LZ4"
    );
    let end = payload.len() - 4;
    let size = word(payload, end)? as usize;
    let mut whole = Vec::with_capacity(size);
    let mut at = 4;
    while at < end {
        let len = word(payload, at)? as usize;
        let block = payload.get(at + 4..at + 4 + len);
        let block = block.context("a block of the kernel is cut short")?;
        whole.extend(lz4_flex::block::decompress(block, BLOCK_BYTES)?);
        at += 4 + len;
    }
    ensure!(whole.len() == size, "{} bytes, not {size}", whole.len());
    Ok(whole)
}

fn word(bytes: &[u8], at: usize) -> Result<u32> {
    let word = bytes.get(at..at + 4).context("the kernel is cut short")?;
    Ok(u32::from_le_bytes(word.try_into()?))
}
