//! The card as its driver sees it, its worker running, with a socket pair for the network.

mod hostile;
mod interrupts;
mod receiving;
mod registers;
mod sending;

use super::testing::*;
use std::io::Read;
use std::time::Duration;

/// What comes out of the card next.
fn sent(machine: &mut Machine) -> Vec<u8> {
    let deadline = Some(Duration::from_secs(60));
    machine.peer.set_read_timeout(deadline).unwrap();
    let mut length = [0; 4];
    machine.peer.read_exact(&mut length).expect("a frame");
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    machine.peer.read_exact(&mut frame).expect("all of it");
    frame
}

/// A frame of so many bytes to `to`.
fn frame(to: [u8; 6], bytes: usize) -> Vec<u8> {
    let mut frame = vec![0; bytes];
    for (at, byte) in frame.iter_mut().enumerate() {
        *byte = (at * 7 + bytes) as u8;
    }
    frame[..6].copy_from_slice(&to);
    frame[6..14].copy_from_slice(&[2, 0, 0, 0, 0, 1, 0x88, 0xb5]);
    frame
}

/// The sum that must be 0xffff when a checksum is right, of big-endian words.
fn sum(parts: &[&[u8]]) -> u16 {
    let mut total = 0_u32;
    for part in parts {
        for word in part.chunks(2) {
            let low = word.get(1).copied().unwrap_or(0);
            total += u32::from(u16::from_be_bytes([word[0], low]));
            total = (total & 0xffff) + (total >> 16);
        }
    }
    total as u16
}

/// Ethernet, IPv4 and TCP headers, with checksums of zero, before that payload.
fn tcp(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x52, 0x54, 0, 0x12, 0x34, 0x56, 2, 0, 0, 0, 0, 1, 8, 0];
    let total = (40 + payload.len()) as u16;
    frame.extend([0x45, 0]);
    frame.extend(total.to_be_bytes());
    frame.extend([0xff, 0xff, 0x40, 0, 64, 6, 0, 0]);
    frame.extend([192, 0, 2, 1, 192, 0, 2, 2]);
    frame.extend([0, 80, 0x30, 0x39]);
    frame.extend(0xffff_ff00_u32.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0x50, 0b1_1001, 4, 0, 0, 0, 0, 0]);
    frame.extend(payload);
    frame
}

/// Sum of the TCP segment of such a frame with its pseudo-header.
fn tcp_sum(frame: &[u8]) -> u16 {
    let length = (frame.len() - 34) as u16;
    let [high, low] = length.to_be_bytes();
    sum(&[&frame[26..34], &[0, 6, high, low], &frame[34..]])
}

/// Sum of its IPv4 header.
fn ip_sum(frame: &[u8]) -> u16 {
    sum(&[&frame[14..34]])
}
