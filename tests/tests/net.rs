//! `--net`: frames pass between the guest and a Unix stream socket, and what can go wrong.

use anyhow::{Result, ensure};
use std::io::Write;
use std::path::Path;
use tests::net::{self, CARD, HEADER_BYTES, LINK, Network, RECEIVED, SPACE_BYTES};
use tests::virtio::reg;
use tests::{Builder, Scratch, Script, TestVm, host, require_kvm};

/// Device id of a network card (virtio 1.3 5.1.1).
const NETWORK: u8 = 1;

fn vm(script: &Script, network: &str) -> Builder {
    TestVm::builder()
        .kernel(&script.pvh())
        .transport("mmio")
        .arg("--net")
        .arg(network)
        .report()
}

fn stream(path: &Path) -> String {
    format!("stream={}", path.display())
}

/// A frame to all stations, whose payload depends on `seed`.
fn frame(bytes: usize, seed: u8) -> Vec<u8> {
    let mut frame = vec![0xff; 6];
    frame.extend([2, 0, 0, 0, 0, seed, 0x88, 0xb5]);
    frame.resize(bytes, seed);
    frame
}

#[test]
fn frames_pass_both_ways() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let path = scratch.path("socket");
    let network = Network::listen(&path)?;
    let sent = [frame(60, 1), frame(1514, 2), frame(14, 3)];
    let sent: Vec<&[u8]> = sent.iter().map(Vec::as_slice).collect();
    let script = net::start(Script::new(), 2, &sent);
    let script = net::wait_sent(script, 3).say("<");
    let script = net::wait_received(script, 2)
        .print(RECEIVED, HEADER_BYTES + 60)
        .print(RECEIVED + SPACE_BYTES, HEADER_BYTES + 1514);
    let vm = vm(&script, &stream(&path)).boot()?;
    let mut peer = network.accept()?;
    for frame in sent {
        ensure!(peer.receive()? == frame, "the frame sent");
    }
    vm.wait_for("<")?;
    let given = [frame(60, 4), frame(1514, 5)];
    for frame in &given {
        peer.send(frame)?;
    }
    let ended = vm.wait()?.expect(0)?;
    // One buffer each.
    let header: &[u8] = &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0];
    let expected = [b"<", header, &given[0], header, &given[1]].concat();
    ensure!(ended.stdout == expected, "{:?}", ended.stdout);
    ensure!(ended.stderr.is_empty(), "{}", ended.stderr);
    Ok(())
}

#[test]
fn a_card_has_the_address_of_its_position_or_that_asked_for() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let path = scratch.path("socket");
    let _network = Network::listen(&path)?;
    for (option, address) in [
        ("", *b"\x02HOST\0"),
        (",mac=52:54:00:12:34:56", [0x52, 0x54, 0, 0x12, 0x34, 0x56]),
    ] {
        let script = (0..6)
            .fold(Script::new().read(4, CARD + reg::DEVICE_ID), |s, at| {
                s.send(1).read(1, CARD + reg::CONFIG + at)
            })
            .send(1);
        let network = stream(&path) + option;
        let ended = vm(&script, &network).run()?.expect(0)?;
        let expected = [&[NETWORK], &address[..]].concat();
        ensure!(ended.stdout == expected, "{:x?}", ended.stdout);
        let name = address.map(|byte| format!("{byte:02x}")).join(":");
        let report = ended.report()?;
        ensure!(
            report.networks() == [format!("{},mac={name},card=virtio", stream(&path))],
            "{:?}",
            report.networks()
        );
    }
    Ok(())
}

#[test]
fn a_connection_that_closes_in_mid_frame_takes_the_link_down() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    for (last_words, why) in [
        (&[0, 0, 0, 60, 1][..], "in mid-frame"),
        (&[0, 1, 0x11, 0x70], "a frame of 70000 bytes"),
    ] {
        let path = scratch.path(&why.len().to_string());
        let network = Network::listen(&path)?;
        let script = net::start(Script::new(), 2, &[]).say("up");
        let script = script.wait16(LINK, 0).say(", down");
        let vm = vm(&script, &stream(&path)).boot()?;
        let mut peer = network.accept()?;
        vm.wait_for("up")?;
        peer.0.write_all(last_words)?;
        drop(peer);
        let ended = vm
            .wait()?
            .expect_line(0, &[why, "its link is down from now on"])?;
        ensure!(ended.text() == "up, down", "{}", ended.text());
    }
    Ok(())
}

#[test]
fn a_guest_that_sends_what_is_no_frame_is_counted() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let path = scratch.path("socket");
    let network = Network::listen(&path)?;
    let script = net::start(Script::new(), 0, &[&[], &[1; 13], &frame(60, 1)]);
    let script = net::wait_sent(script, 3);
    let vm = vm(&script, &stream(&path)).boot()?;
    ensure!(network.accept()?.receive()? == frame(60, 1), "the frame");
    let ended = vm.wait()?.expect(0)?;
    let refused = ended.report()?.refused("virtio-net0");
    ensure!(refused == 2, "{refused} refused");
    Ok(())
}

fn refused(network: &str, words: &[&str]) -> Result<()> {
    let script = Script::new().say("up");
    let ended = vm(&script, network).run()?.expect_line(2, words)?;
    ensure!(ended.stdout.is_empty(), "the guest ran: {}", ended.text());
    Ok(())
}

#[test]
fn networks_that_cannot_be_used() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let missing = scratch.path("missing");
    refused(&stream(&missing), &["missing does not exist", "passt"])?;
    let gone = scratch.path("gone");
    drop(Network::listen(&gone)?);
    refused(&stream(&gone), &["gone refuses the connection", "start"])?;
    let file = scratch.write("file", b"text")?;
    refused(&stream(&file), &["refuses the connection"])?;
    refused("tap=hostel-missing", &["hostel-missing", "ip tuntap add"])?;
    refused("tap=lo", &["lo is not a TAP", "ip tuntap add"])?;
    refused("tap=much-longer-than-it-may-be", &["1 to 15 characters"])?;
    Ok(())
}

#[test]
fn an_emulated_card_needs_pci() -> Result<()> {
    require_kvm!();
    for card in ["e1000", "ne2000"] {
        let words = [&format!("card {card} needs PCI"), "--transport mmio"];
        refused(&format!("tap=lo,card={card}"), &words)?;
    }
    Ok(())
}

#[test]
fn networks_that_are_written_wrong() -> Result<()> {
    require_kvm!();
    for (text, words) in [
        ("user", "tap=NAME or stream=PATH"),
        ("tap=", "tap=NAME or stream=PATH"),
        ("tap=a,queues=9", "1 to 8"),
        ("stream=a,queues=2", "only 1 for a stream"),
        ("tap=a,mtu=9000", "not an option"),
        ("tap=a,mac=1:2", "six pairs"),
        ("tap=a,card=3c509", "there are virtio"),
        ("tap=a,mac=01:00:00:00:00:01", "not a station's"),
    ] {
        refused(text, &["--net", words])?;
    }
    Ok(())
}

#[test]
fn a_tap_is_made_and_named_in_the_report() -> Result<()> {
    require_kvm!();
    let script = net::start(Script::new(), 2, &[&frame(60, 1)]);
    let script = net::wait_sent(script, 1).say("sent");
    let ended = vm(&script, "tap=hosteltap%d,queues=8").run()?;
    if ended.stderr.contains("may not be made") || ended.stderr.contains("/dev/net/tun") {
        host::skip("no TAP may be made here");
        return Ok(());
    }
    let ended = ended.expect(0)?;
    ensure!(ended.text() == "sent", "{}", ended.text());
    let networks = ended.report()?.networks();
    ensure!(networks[0].starts_with("tap=hosteltap"), "{networks:?}");
    Ok(())
}
