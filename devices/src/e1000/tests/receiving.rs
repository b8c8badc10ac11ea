//! Frames to the guest.

use super::*;
use crate::e1000::spec::*;

/// Length, sum, status, errors and tag of a receive descriptor.
fn fields(half: u64) -> (usize, u16, u8, u8, u16) {
    let (length, sum) = (half as u16, (half >> 16) as u16);
    let (status, errors) = ((half >> 32) as u8, (half >> 40) as u8);
    (length.into(), sum, status, errors, (half >> 48) as u16)
}

/// Waits for the frame of a descriptor; returns it, its status and its errors.
fn received(machine: &Machine, index: u32) -> (Vec<u8>, u8, u8) {
    let (length, _, status, errors, _) = fields(machine.wait_done(RECEIVE_RING, index));
    let at = RECEIVE_BUFFERS + u64::from(index) * 2048;
    (machine.peek(at, length), status, errors)
}

#[test]
fn frames_arrive_in_order_with_their_check_sequence_if_wanted() {
    let mut machine = Machine::default();
    machine.start();
    let sent = [frame(MAC.0, 60), frame([0xff; 6], 1514)];
    sent.iter().for_each(|frame| machine.send(frame));
    for (index, sent) in (0..).zip(&sent) {
        let (got, status, errors) = received(&machine, index);
        assert_eq!((&got, errors), (sent, 0));
        assert_eq!(status, RX_DD | RX_EOP | RX_IXSM);
    }
    machine.wait_for("head", |m| m.read(RDBAL + RING_HEAD) == 2);
    machine.write(RCTL, RCTL_EN | RCTL_BAM);
    machine.send(&sent[0]);
    let (mut with_check, ..) = received(&machine, 2);
    let check = with_check.split_off(60);
    assert_eq!(with_check, sent[0]);
    // CRC-32 of the frame, by a bit at a time.
    let crc = sent[0].iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 * (crc & 1))
        })
    });
    assert_eq!(check, (!crc).to_le_bytes());
    machine.wait_for("statistics", |m| m.read(0x40d0) == 3);
    assert_eq!((machine.read(0x4074), machine.read(0x4078)), (3, 1));
    assert_eq!(machine.read(0x4088), 64 + 1518 + 64);
}

#[test]
fn frames_for_others_are_not_received() {
    let group = [1, 0, 0x5e, 0x12, 0x34, 0x56];
    let other = [0x52, 0x54, 0, 0, 0, 9];
    // What SDM 13.4.22 has for the last 16 bits, 0x5634, and each offset.
    let hashes = [0x563, 0xac6, 0x58d, 0x634];
    type Setting = fn(&Machine);
    let plain: Setting = |_| {};
    let promiscuous: Setting = |m| m.write(RCTL, RCTL_EN | RCTL_UPE | RCTL_SECRC);
    let groups: Setting = |m| m.write(RCTL, RCTL_EN | RCTL_MPE | RCTL_SECRC);
    let second: Setting = |m| {
        m.write(RAL + 8, u32::from_le_bytes([0x52, 0x54, 0, 0]));
        m.write(RAL + 12, RAH_AV | 0x0900);
    };
    let invalid: Setting = |m| m.write(RAL + 4, m.read(RAL + 4) & !RAH_AV);
    for (case, (to, setting, arrives)) in [
        (MAC.0, plain, true),
        (other, plain, false),
        (group, plain, false),
        ([0xff; 6], plain, true),
        ([0xff; 6], promiscuous, false),
        (other, promiscuous, true),
        (group, promiscuous, false),
        (group, groups, true),
        (other, groups, false),
        (other, second, true),
        (MAC.0, invalid, false),
    ]
    .into_iter()
    .enumerate()
    {
        arrives_or_not(to, setting, arrives, &format!("case {case}"));
    }
    for (offset, hash) in (0..).zip(hashes) {
        for (bit, arrives) in [(hash, true), (hash ^ 1, false)] {
            let table = |m: &Machine| {
                let control = RCTL_EN | RCTL_SECRC | offset << RCTL_MO_SHIFT;
                m.write(RCTL, control);
                m.write(MTA + 4 * (bit >> 5), 1 << (bit & 31));
            };
            arrives_or_not(group, table, arrives, &format!("offset {offset}"));
        }
    }
}

/// Sends a frame to that address, and one that arrives in any case.
fn arrives_or_not(to: [u8; 6], setting: impl Fn(&Machine), arrives: bool, what: &str) {
    let mut machine = Machine::default();
    machine.start();
    setting(&machine);
    let next = if to == MAC.0 { [0xff; 6] } else { MAC.0 };
    machine.send(&frame(to, 100));
    machine.send(&frame(next, 200));
    let first = if arrives { 100 } else { 200 };
    assert_eq!(received(&machine, 0).0.len(), first, "{what}");
}

/// A frame with 10 bytes over UDP, which says that they and its header are so many.
fn udp(length: u8) -> Vec<u8> {
    let mut frame = tcp(&[])[..34].to_vec();
    (frame[17], frame[23]) = (38, 17);
    let ip = !sum(&[&frame[14..34]]);
    frame[24..26].copy_from_slice(&ip.to_be_bytes());
    frame.extend([0, 53, 0, 53, 0, length, 0, 0]);
    frame.extend([8; 10]);
    let inner = !sum(&[&frame[26..34], &[0, 17, 0, length], &frame[34..]]);
    frame[40..42].copy_from_slice(&inner.to_be_bytes());
    frame
}

#[test]
fn checksums_are_looked_at() {
    let mut machine = Machine::default();
    machine.start();
    machine.write(RXCSUM, RXCSUM_IPOFL | RXCSUM_TUOFL | 14);
    let mut right = tcp(&[7; 33]);
    let ip = !sum(&[&right[14..34]]);
    right[24..26].copy_from_slice(&ip.to_be_bytes());
    let inner = !tcp_sum(&right);
    right[50..52].copy_from_slice(&inner.to_be_bytes());
    let mut wrong_ip = right.clone();
    wrong_ip[22] = 1;
    let mut wrong_tcp = right.clone();
    wrong_tcp[60] ^= 1;
    let mut fragment = right.clone();
    fragment[20] = 0x20;
    fragment[24..26].copy_from_slice(&[0, 0]);
    let ip = !sum(&[&fragment[14..34]]);
    fragment[24..26].copy_from_slice(&ip.to_be_bytes());
    let mut short = right.clone();
    short[16..18].copy_from_slice(&60_000_u16.to_be_bytes());
    let (udp, too_long) = (udp(18), udp(19));
    let mut without = udp.clone();
    without[40..42].fill(0);
    let mut wrong_udp = udp.clone();
    wrong_udp[50] ^= 1;
    let both = RX_IPCS | RX_TCPCS;
    for (index, (sent, status, errors)) in (0..).zip([
        (&right, both, 0),
        (&wrong_ip, both, RX_IPE),
        (&wrong_tcp, both, RX_TCPE),
        (&fragment, RX_IPCS, 0),
        (&short, RX_IXSM, 0),
        (&frame(MAC.0, 80), RX_IXSM, 0),
        (&udp, both, 0),
        (&without, RX_IPCS, 0),
        (&wrong_udp, both, RX_TCPE),
        // A length that goes beyond the packet.
        (&too_long, RX_IPCS, 0),
    ]) {
        machine.send(sent);
        let (_, got_status, got_errors) = received(&machine, index);
        let done = RX_DD | RX_EOP;
        assert_eq!((got_status, got_errors), (done | status, errors), "{index}");
    }
    let (_, packet_sum, ..) = fields(machine.rest(RECEIVE_RING, 0));
    assert_eq!(
        packet_sum,
        sum(&[&right[14..]]),
        "from where it was asked for"
    );
    machine.write(RXCSUM, 0);
    machine.send(&wrong_tcp);
    let (_, status, errors) = received(&machine, 10);
    assert_eq!((status & RX_IXSM, errors), (RX_IXSM, 0), "not asked for");
}

#[test]
fn a_long_frame_takes_several_buffers_and_is_only_for_who_wants_it() {
    let mut machine = Machine::default();
    machine.start();
    let long = frame(MAC.0, 5000);
    machine.send(&long);
    machine.wait_for("count", |m| m.read(0x40ac) == 1);
    machine.write(RCTL, RCTL_EN | RCTL_LPE | RCTL_SECRC);
    machine.send(&long);
    machine.wait_done(RECEIVE_RING, 2);
    let (first, status, _) = received(&machine, 0);
    assert_eq!((first.len(), status & RX_EOP), (2048, 0));
    assert_eq!(machine.peek(RECEIVE_BUFFERS, 4096), long[..4096]);
    let (last, status, _) = received(&machine, 2);
    assert_eq!((&last[..], status & RX_EOP), (&long[4096..], RX_EOP));
    // Smaller buffers, and larger ones.
    machine.wait_for("head", |m| m.read(RDBAL + RING_HEAD) == 3);
    machine.write(
        RCTL,
        RCTL_EN | RCTL_LPE | RCTL_SECRC | 3 << RCTL_BSIZE_SHIFT,
    );
    machine.send(&frame(MAC.0, 600));
    machine.wait_done(RECEIVE_RING, 5);
    machine.wait_for("head", |m| m.read(RDBAL + RING_HEAD) == 6);
    machine.write(
        RCTL,
        RCTL_EN | RCTL_LPE | RCTL_SECRC | RCTL_BSEX | 1 << RCTL_BSIZE_SHIFT,
    );
    machine.send(&long);
    assert_eq!(received(&machine, 6).0, long);
    // More than the whole ring is lost, and the next is not.
    machine.wait_for("head", |m| m.read(RDBAL + RING_HEAD) == 7);
    machine.write(
        RCTL,
        RCTL_EN | RCTL_LPE | RCTL_SECRC | 3 << RCTL_BSIZE_SHIFT,
    );
    machine.send(&long);
    machine.send(&frame(MAC.0, 64));
    assert_eq!(received(&machine, 7).0.len(), 64);
}

#[test]
fn frames_wait_for_descriptors_and_none_is_lost() {
    let mut machine = Machine::default();
    machine.start();
    machine.write(RDBAL + RING_TAIL, 2);
    machine.write(IMS, CAUSE_RXDMT0);
    for bytes in 60..70 {
        machine.send(&frame(MAC.0, bytes));
    }
    machine.wait_for("head", |m| m.read(RDBAL + RING_HEAD) == 2);
    assert!(machine.interrupts(), "few are left");
    for index in 2..10_u32 {
        machine.write(RDBAL + RING_TAIL, index + 1);
        let (got, ..) = received(&machine, index);
        assert_eq!(got, frame(MAC.0, 60 + index as usize));
    }
    // One that needs more than there are waits as well.
    machine.write(RCTL, RCTL_EN | RCTL_SECRC | 3 << RCTL_BSIZE_SHIFT);
    machine.wait_for("head", |m| m.read(RDBAL + RING_HEAD) == 10);
    machine.write(RDBAL + RING_TAIL, 11);
    machine.send(&frame(MAC.0, 700));
    machine.wait_for("count", |m| m.read(0x40a0) == 1);
    assert_eq!(machine.read(RDBAL + RING_HEAD), 10);
    machine.write(RDBAL + RING_TAIL, 13);
    machine.wait_done(RECEIVE_RING, 12);
}

#[test]
fn a_tag_is_taken_off_where_tags_are_on_and_filtered() {
    let mut machine = Machine::default();
    machine.start();
    machine.write(CTRL, CTRL_VME);
    let mut tagged = frame(MAC.0, 104);
    tagged[12..16].copy_from_slice(&[0x81, 0, 0x60, 0x21]);
    machine.send(&tagged);
    let (length, _, status, _, tag) = fields(machine.wait_done(RECEIVE_RING, 0));
    assert_eq!((length, status & RX_VP, tag), (100, RX_VP, 0x6021));
    let got = machine.peek(RECEIVE_BUFFERS, 100);
    assert_eq!(got, [&tagged[..12], &tagged[16..]].concat());
    // VLAN 0x21 is bit 1 of the second register.
    machine.write(RCTL, RCTL_EN | RCTL_SECRC | RCTL_VFE);
    machine.send(&tagged);
    machine.send(&frame(MAC.0, 61));
    assert_eq!(received(&machine, 1).0.len(), 61);
    machine.write(VFTA + 4, 1 << 1);
    machine.send(&tagged);
    assert_eq!(received(&machine, 2).0.len(), 100);
}
