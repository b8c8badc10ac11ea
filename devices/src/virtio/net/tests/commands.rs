//! The control queue.

use super::*;

const COMMAND: u64 = BUFFERS + 0x4_0000;
const ACK: u64 = BUFFERS + 0x4_8000;

/// Gives a command on queue `queue`; returns its answer.
fn command_on(guest: &mut Guest, queue: usize, class: u8, command: u8, data: &[u8]) -> u8 {
    let bytes = [&[class, command], data].concat();
    guest.poke(COMMAND, &bytes);
    guest.poke(ACK, &[0xaa]);
    let pieces = [
        Piece::readable(COMMAND, 2),
        Piece::readable(COMMAND + 2, data.len() as u32),
        Piece::writable(ACK, 1),
    ];
    assert_eq!(guest.exchange(queue, &pieces), 1);
    guest.peek(ACK, 1)[0]
}

pub(super) fn command(guest: &mut Guest, class: u8, number: u8, data: &[u8]) -> u8 {
    command_on(guest, CONTROL, class, number, data)
}

fn to(address: [u8; 6]) -> Vec<u8> {
    let mut frame = frame(60, 1);
    frame[..6].copy_from_slice(&address);
    frame
}

/// The frames that the driver gets, of those to these addresses.
fn received(guest: &mut Guest, peer: &mut Peer, addresses: &[[u8; 6]]) -> Vec<[u8; 6]> {
    addresses
        .iter()
        .for_each(|address| peer.send(&to(*address)));
    peer.send(&frame(61, 1));
    let mut received = Vec::new();
    loop {
        let len = guest.exchange(RX, &[Piece::writable(BUFFERS, 2048)]);
        if len == 73 {
            return received;
        }
        received.push(guest.peek(BUFFERS + 12, 6).try_into().unwrap());
    }
}

const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 0x22];
const GROUP: [u8; 6] = [1, 0, 0x5e, 0, 0, 1];
const ALL: [u8; 6] = [0xff; 6];

#[test]
fn frames_are_filtered_as_the_driver_says() {
    let (mut guest, mut peer) = guest();
    let every = [OTHER, GROUP, ALL];
    assert_eq!(received(&mut guest, &mut peer, &every), every, "at first");
    let promiscuous = (spec::CTRL_RX, spec::CTRL_RX_PROMISC);
    assert_eq!(
        command(&mut guest, promiscuous.0, promiscuous.1, &[0]),
        spec::OK
    );
    assert_eq!(received(&mut guest, &mut peer, &every), [ALL]);
    let table = [&[1, 0, 0, 0], &OTHER[..], &[1, 0, 0, 0], &GROUP[..]].concat();
    let (class, number) = (spec::CTRL_MAC, spec::CTRL_MAC_TABLE_SET);
    assert_eq!(command(&mut guest, class, number, &table), spec::OK);
    assert_eq!(received(&mut guest, &mut peer, &every), every);
    let quiet = spec::CTRL_RX_NOBCAST;
    assert_eq!(command(&mut guest, spec::CTRL_RX, quiet, &[1]), spec::OK);
    assert_eq!(received(&mut guest, &mut peer, &every), [OTHER, GROUP]);
    guest.write(Register::Status, 0);
    guest.start_simply();
    assert_eq!(
        received(&mut guest, &mut peer, &every),
        every,
        "after reset"
    );
}

#[test]
fn the_address_can_be_changed_until_reset() {
    let (mut guest, _peer) = guest();
    let set = (spec::CTRL_MAC, spec::CTRL_MAC_ADDR_SET);
    let generation = guest.read(Register::ConfigGeneration);
    assert_eq!(command(&mut guest, set.0, set.1, &OTHER), spec::OK);
    assert_eq!(guest.config::<6>(0), OTHER);
    assert_ne!(guest.read(Register::ConfigGeneration), generation);
    assert_eq!(command(&mut guest, set.0, set.1, &GROUP), spec::ERR);
    assert_eq!(guest.config::<6>(0), OTHER);
    guest.write(Register::Status, 0);
    assert_eq!(guest.config::<6>(0), MAC.0);
}

#[test]
fn commands_that_make_no_sense_are_refused() {
    let (mut guest, _peer) = guest();
    for (class, number, data) in [
        (spec::CTRL_RX, 6, &[1][..]),
        (spec::CTRL_RX, 0, &[]),
        (spec::CTRL_RX, 0, &[2]),
        (spec::CTRL_RX, 0, &[1, 1]),
        (spec::CTRL_MAC, 0, &[1, 0, 0, 0, 2, 0]),
        (spec::CTRL_MAC, 0, &[0xff; 20]),
        (spec::CTRL_MAC, 0, &[0; 9]),
        (spec::CTRL_MAC, 1, &[2; 5]),
        (spec::CTRL_MAC, 2, &[]),
        // Not agreed on: of VLANs, of announcements, of several pairs, of offloads.
        (2, 0, &[1, 0]),
        (3, 0, &[]),
        (spec::CTRL_MQ, 0, &[1, 0]),
        (spec::CTRL_GUEST_OFFLOADS, 0, &[0; 8]),
        (0xff, 0xff, &[0; 16_383]),
        (0, 0, &[0; 0x7000]),
    ] {
        let answer = command(&mut guest, class, number, data);
        assert_eq!(answer, spec::ERR, "{class} {number} {data:?}");
    }
    for short in [0, 1] {
        let pieces = [Piece::readable(COMMAND, short), Piece::writable(ACK, 1)];
        assert_eq!(guest.exchange(CONTROL, &pieces), 1);
        assert_eq!(guest.peek(ACK, 1), [spec::ERR]);
    }
    assert_eq!(refused(&guest), 0);
    assert_eq!(guest.exchange(CONTROL, &[Piece::readable(COMMAND, 3)]), 0);
    assert_eq!(refused(&guest), 1, "nowhere to answer to");
}

#[test]
fn only_pairs_in_use_are_served() {
    let (backend, mut peers, told) = several(3, 0);
    let mut guest = guest_on(backend);
    guest.start_simply();
    assert_eq!(told.lock().unwrap().0, 1);
    let control = 6;
    let set = |guest: &mut Guest, pairs: u8| {
        let (class, number) = (spec::CTRL_MQ, spec::CTRL_MQ_VQ_PAIRS_SET);
        command_on(guest, control, class, number, &[pairs, 0])
    };
    for (pair, peer) in peers.iter_mut().enumerate() {
        let space = BUFFERS + 0x1000 * pair as u64;
        guest.offer(2 * pair, &[Piece::writable(space, 2048)]);
        guest.notify(2 * pair);
        peer.send(&frame(60, pair));
    }
    assert_eq!(guest.wait_used(0), (0, 72));
    assert_eq!([set(&mut guest, 0), set(&mut guest, 4)], [spec::ERR; 2]);
    assert_eq!([guest.used_index(2), guest.used_index(4)], [0; 2]);
    assert_eq!(set(&mut guest, 3), spec::OK);
    assert_eq!(told.lock().unwrap().0, 3);
    assert_eq!(guest.wait_used(2), (0, 72));
    assert_eq!(guest.wait_used(4), (0, 72));
    let piece = put(&guest, Header::default(), &frame(70, 5));
    assert_eq!(guest.exchange(5, &[piece]), 0);
    assert_eq!(peers[2].take(), frame(70, 5));
    assert_eq!(set(&mut guest, 1), spec::OK);
    assert_eq!(guest.exchange(5, &[piece]), 0, "dropped");
    assert_eq!(guest.exchange(1, &[piece]), 0);
    assert_eq!(peers[0].take(), frame(70, 5));
}

#[test]
fn without_multiqueue_the_control_queue_is_the_third() {
    let (backend, mut peers, _) = several(3, 0);
    let mut guest = guest_on(backend);
    assert_eq!(guest.start(spec::F_CTRL_VQ | spec::F_CTRL_RX), 15);
    let (class, number) = (spec::CTRL_RX, spec::CTRL_RX_PROMISC);
    assert_eq!(command(&mut guest, class, number, &[0]), spec::OK);
    assert!(received(&mut guest, &mut peers[0], &[OTHER]).is_empty());
}

#[test]
fn the_driver_chooses_among_the_offloads_that_were_agreed_on() {
    let offloads = spec::F_GUEST_CSUM | spec::F_GUEST_TSO4 | spec::F_GUEST_TSO6;
    let (backend, _peers, told) = several(1, offloads);
    let mut guest = guest_on(backend);
    let agreed = spec::F_GUEST_CSUM | spec::F_GUEST_TSO4;
    let features = agreed | spec::F_CTRL_VQ | spec::F_CTRL_GUEST_OFFLOADS;
    assert_eq!(guest.start(features), 15);
    assert_eq!(told.lock().unwrap().1, agreed);
    let mut set = |offloads: u64| {
        let data = offloads.to_le_bytes();
        command(&mut guest, spec::CTRL_GUEST_OFFLOADS, 0, &data)
    };
    assert_eq!(set(spec::F_GUEST_CSUM), spec::OK);
    assert_eq!(told.lock().unwrap().1, spec::F_GUEST_CSUM);
    assert_eq!(set(offloads), spec::ERR);
    assert_eq!(told.lock().unwrap().1, spec::F_GUEST_CSUM);
}

#[test]
fn what_the_driver_has_set_survives_a_save() {
    let (mut guest, mut peer) = guest();
    let (class, number) = (spec::CTRL_RX, spec::CTRL_RX_PROMISC);
    assert_eq!(command(&mut guest, class, number, &[0]), spec::OK);
    let transport = guest.transport.clone();
    for _ in 0..2 {
        let state = transport.lock().unwrap().save().unwrap();
        transport.lock().unwrap().restore(&state).unwrap();
        assert!(received(&mut guest, &mut peer, &[OTHER]).is_empty());
    }
}
