//! The IDE controller with two small disks: any accesses to its ports and configuration.

use super::Input;
use crate::bus::Width;
use crate::disk::{DiskFile, SECTOR_BYTES};
use crate::ide::testing::{BUS_MASTER, Host, MEMORY_BYTES};
use crate::pci::PciFunction;
use std::sync::PoisonError;
use vm_memory::{Bytes, GuestAddress};

/// Sectors of a disk: few, so that commands often find theirs.
const SECTORS: u64 = 300;
/// Most words that one action moves through the data port.
const BURST_MAX: u16 = 600;

/// Accesses to the controller, in the order of the input.
pub fn ide(data: &[u8]) {
    let mut input = Input(data);
    let disk = |_| DiskFile::temporary(SECTORS * SECTOR_BYTES);
    let disks: Result<Vec<_>, _> = (0..1 + input.byte() % 2).map(disk).collect();
    let Ok(disks) = disks else { return };
    let host = Host::new(disks);
    while !input.is_empty() {
        act(&host, &mut input);
    }
}

fn act(host: &Host, input: &mut Input) {
    let what = input.byte();
    match what >> 4 {
        // A register, at any width.
        0..=5 => {
            let base = [0x1f0, 0x1f0, BUS_MASTER, 0x3f6][usize::from(what & 3)];
            let port = base + u16::from(input.byte() & 0xf);
            access(host, port, what, input);
        }
        // The data port, again and again.
        6 | 7 => (0..input.word() % BURST_MAX).for_each(|_| {
            host.pio.read(0x1f0, &mut [0; 2]);
        }),
        8 | 9 => (0..input.word() % BURST_MAX).for_each(|_| {
            host.pio.write(0x1f0, &[what; 2]);
        }),
        // A command with its address and count.
        10 | 11 => {
            let values = input.bytes::<7>();
            for (port, value) in (0x1f1..).zip(values) {
                host.pio.write(port, &[value]);
            }
        }
        // A list of regions.
        12 => {
            let gpa = u64::from(input.word()) << 4;
            let entry = input.bytes::<8>();
            // Outside of memory, it stays unwritten.
            let _ = host
                .memory
                .write_slice(&entry, GuestAddress(gpa % MEMORY_BYTES));
            host.pio.write(BUS_MASTER + 4, &(gpa as u32).to_le_bytes());
        }
        13 => {
            let mut piix = host.piix.lock().unwrap_or_else(PoisonError::into_inner);
            piix.write_config(input.byte().into(), Width::Word, input.word().into());
        }
        14 => {
            let mut channel = host.channel.lock().unwrap_or_else(PoisonError::into_inner);
            let state = channel.save();
            channel.restore(&state);
        }
        // The thread of DMA may be at work, or not.
        _ => std::thread::yield_now(),
    }
}

fn access(host: &Host, port: u16, what: u8, input: &mut Input) {
    let mut data = input.bytes::<4>();
    let data = match what >> 2 & 3 {
        0 | 1 => &mut data[..1],
        2 => &mut data[..2],
        _ => &mut data[..],
    };
    if what & 0x10 == 0 {
        host.pio.read(port, data);
    } else {
        host.pio.write(port, data);
    }
}
