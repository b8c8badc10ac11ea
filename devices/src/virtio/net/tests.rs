//! The card as its driver sees it, its workers running, with socket pairs for networks.

use super::*;
use crate::net::backend::SharedPort;
use crate::net::stream::Stream;
use crate::virtio::mmio::spec::Register;
use crate::virtio::testing::{BUFFERS, Guest, Piece, wait_for};
use crate::work::Working;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::time::Duration;

mod commands;
mod receiving;
mod sending;
mod tap;

const RX: usize = 0;
const TX: usize = 1;
const CONTROL: usize = 2;
const MAC: MacAddress = MacAddress([0x02, 0, 0, 0, 0, 0x11]);
const HEADER: usize = spec::HEADER_BYTES;
/// Where the tests keep frames to send; space for those received is from `BUFFERS` on.
const OUT: u64 = BUFFERS + 0x8_0000;

/// The other end of a stream.
struct Peer(UnixStream);

impl Peer {
    fn send(&mut self, frame: &[u8]) {
        let length = u32::try_from(frame.len()).unwrap().to_be_bytes();
        self.0.write_all(&[&length, frame].concat()).unwrap();
    }

    fn take(&mut self) -> Vec<u8> {
        let mut length = [0; 4];
        self.0.read_exact(&mut length).unwrap();
        let mut frame = vec![0; u32::from_be_bytes(length) as usize];
        self.0.read_exact(&mut frame).unwrap();
        frame
    }
}

fn stream() -> (Stream, Peer) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    theirs
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    theirs
        .set_write_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let stream = Stream::new("test".to_owned(), ours).unwrap();
    (stream, Peer(theirs))
}

fn guest_on(backend: impl Backend + 'static) -> Guest {
    Guest::new(Box::new(Net::new(Box::new(backend), MAC).unwrap()))
}

/// A driver that takes all that is offered but the event index.
fn guest() -> (Guest, Peer) {
    let (stream, peer) = stream();
    let mut guest = guest_on(stream);
    guest.start_simply();
    (guest, peer)
}

/// A driver that takes only those features.
fn guest_with(features: u64) -> (Guest, Peer) {
    let (stream, peer) = stream();
    let mut guest = guest_on(stream);
    assert_eq!(guest.start(features), 15);
    (guest, peer)
}

/// A frame for the card, whose payload depends on `seed`.
fn frame(bytes: usize, seed: usize) -> Vec<u8> {
    let mut frame = [MAC.0, [0x02, 0, 0, 0, 0, 0x99]].concat();
    frame.extend([0x88, 0xb5]);
    frame.extend((0..bytes - frame.len()).map(|at| (seed * 37 + at * 7) as u8));
    frame
}

/// Puts a header and a frame into memory; returns the buffer of both.
fn put(guest: &Guest, header: Header, frame: &[u8]) -> Piece {
    guest.poke(OUT, &header.to_bytes(0));
    guest.poke(OUT + HEADER as u64, frame);
    Piece::readable(OUT, (HEADER + frame.len()) as u32)
}

/// Sends a frame from one buffer and waits until it is used.
fn send(guest: &mut Guest, frame: &[u8]) {
    let piece = put(guest, Header::default(), frame);
    assert_eq!(guest.exchange(TX, &[piece]), 0);
}

fn refused(guest: &Guest) -> u64 {
    guest.transport.lock().unwrap().refused()
}

/// Active pairs and offloads that a network was told.
type Told = Arc<Mutex<(u16, u64)>>;

/// Several streams as one network of several queue pairs.
struct Several {
    ports: Vec<SharedPort>,
    offloads: u64,
    told: Told,
}

impl Backend for Several {
    fn name(&self) -> &str {
        "several"
    }
    fn offloads(&self) -> u64 {
        self.offloads
    }
    fn ports(&self) -> &[SharedPort] {
        &self.ports
    }
    fn set_guest_offloads(&self, offloads: u64) -> io::Result<()> {
        self.told.lock().unwrap().1 = offloads;
        Ok(())
    }
    fn set_active_pairs(&self, pairs: u16) -> io::Result<()> {
        self.told.lock().unwrap().0 = pairs;
        Ok(())
    }
}

fn several(count: usize, offloads: u64) -> (Several, Vec<Peer>, Told) {
    let (streams, peers): (Vec<_>, Vec<_>) = (0..count).map(|_| stream()).unzip();
    let told = Arc::new(Mutex::new((0, 0)));
    let several = Several {
        ports: streams.iter().map(|one| one.ports()[0].clone()).collect(),
        offloads,
        told: told.clone(),
    };
    (several, peers, told)
}

#[test]
fn the_configuration_has_address_link_and_pairs() {
    let (guest, _peer) = guest();
    let config: [u8; 12] = guest.config(0);
    assert_eq!(config[..6], MAC.0);
    assert_eq!(config[6..], [1, 0, 1, 0, 0, 0]);
    let (several, ..) = several(4, 0);
    let config: [u8; 10] = guest_on(several).config(0);
    assert_eq!(config[8..], [4, 0]);
}

#[test]
fn features_follow_from_what_the_network_can_do() {
    let features = |offloads, pairs| {
        let (several, ..) = several(pairs, offloads);
        Net::new(Box::new(several), MAC).unwrap().avail_features()
    };
    let plain = features(0, 1);
    let tcp = spec::F_CSUM | spec::F_HOST_TSO4 | spec::F_GUEST_CSUM;
    assert_eq!(plain & (tcp | spec::F_MQ | spec::F_CTRL_GUEST_OFFLOADS), 0);
    let more = tcp | spec::F_CTRL_GUEST_OFFLOADS | spec::F_MQ;
    assert_eq!(features(tcp, 2), plain | more);
}

#[test]
fn a_closed_connection_takes_the_link_down_and_the_device_works_on() {
    for last_words in [&[][..], &[0, 0], &[0, 0, 0, 60, 1, 2, 3]] {
        let (mut guest, mut peer) = guest();
        guest.offer(RX, &[Piece::writable(BUFFERS, 2048)]);
        guest.notify(RX);
        let generation = guest.read(Register::ConfigGeneration);
        peer.0.write_all(last_words).unwrap();
        drop(peer);
        wait_for("the link", || guest.config(6) == [0_u8, 0]);
        wait_for("an interrupt", || {
            guest.read(Register::InterruptStatus) == 2
        });
        assert_ne!(guest.read(Register::ConfigGeneration), generation);
        send(&mut guest, &frame(100, 1));
        guest.write(Register::Status, 0);
        guest.start_simply();
        send(&mut guest, &frame(100, 1));
        assert_eq!(guest.config(6), [0_u8, 0], "and it stays down");
        assert_eq!(refused(&guest), 0);
    }
}

#[test]
fn a_connection_that_closes_while_the_driver_has_no_buffers_is_noticed_when_it_sends() {
    let (mut guest, peer) = guest();
    drop(peer);
    send(&mut guest, &frame(100, 1));
    wait_for("the link", || guest.config(6) == [0_u8, 0]);
}

#[test]
fn a_driver_that_leaves_a_queue_out_is_not_served() {
    for left_out in [RX, TX] {
        let (stream, _peer) = stream();
        let guest = guest_on(stream);
        guest.negotiate(0);
        guest.set_up_queue(TX - left_out);
        guest.write(Register::Status, 15);
        assert_eq!(guest.read(Register::Status), 15 | 0x40, "needs reset");
    }
}

#[test]
fn state_survives_saving_and_restoring() {
    let (several, ..) = several(2, spec::F_GUEST_CSUM);
    let mut net = Net::new(Box::new(several), MAC).unwrap();
    let mut state = net.save();
    assert_eq!(state, NetState::new(MAC));
    state.mac = MacAddress::local(3);
    state.pairs = 9;
    state.guest_offloads = Some(u64::MAX);
    net.restore(&state);
    state.pairs = 2;
    state.guest_offloads = Some(spec::F_GUEST_CSUM);
    assert_eq!(net.save(), state, "as far as this device can");
}
