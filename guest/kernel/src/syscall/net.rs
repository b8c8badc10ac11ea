//! Network cards, beside reading and writing them.

use alloc::sync::Arc;

use abi::syscall::Errno;

use super::Outcome;
use super::io::file;
use crate::drivers::NetDevice;
use crate::process::{Kind, OpenFile, current};

/// The card that the file is.
fn card(file: &Arc<OpenFile>) -> Result<&'static dyn NetDevice, Errno> {
    match &file.kind {
        Kind::Net(device) => Ok(*device),
        _ => Err(Errno::Inval),
    }
}

pub(super) fn sys_net_address(number: u64) -> Outcome {
    let [a, b, c, d, e, f] = card(&file(number)?)?.mac();
    Ok(u64::from_le_bytes([a, b, c, d, e, f, 0, 0]))
}

pub(super) fn sys_net_map(number: u64) -> Outcome {
    let window = card(&file(number)?)?.window()?;
    current().with_space(|space| space.map_shared(&window))
}

pub(super) fn sys_net_exchange(number: u64, sent: u64, most: u64) -> Outcome {
    let file = file(number)?;
    let count = |number| usize::try_from(number).map_err(|_| Errno::Inval);
    let listed = card(&file)?.exchange(count(sent)?, count(most)?, file.mode())?;
    Ok(listed as u64)
}

pub(super) fn sys_net_offload(number: u64, offloads: u64) -> Outcome {
    card(&file(number)?)?.take_offloads(offloads)?;
    Ok(0)
}
