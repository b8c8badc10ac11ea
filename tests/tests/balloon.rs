//! `--balloon`: memory that the guest gives back leaves the host's.

use anyhow::{Result, ensure};
use tests::virtio::{self, DEVICE_BYTES, DEVICES, Descriptor, Rings, reg};
use tests::{BUFFER, Builder, Script, TestVm, machine_code, require_kvm};

/// After console and rng.
const DEVICE: u64 = DEVICES + 2 * DEVICE_BYTES;
/// Device id of a balloon (virtio 1.3 5.5.1).
const BALLOON: u32 = 5;
const RINGS: [Rings; 3] = [
    Rings::at(BUFFER),
    Rings::at(BUFFER + 0x3000),
    Rings::at(BUFFER + 0x6000),
];
const INFLATE: u64 = 0;
/// With one of the two features alone, it is the third queue.
const THIRD: u64 = 2;
const F_STATISTICS: u64 = 1 << 1;
const F_REPORTING: u64 = 1 << 5;
const LIST: u64 = BUFFER + 0x1_0000;
const CODE: u64 = 0x30_0000;

/// Memory that the guest writes to, a byte a page.
const TOUCHED: u64 = 16 << 20;
const TOUCHED_BYTES: u64 = 16 << 20;
/// A driver that does more touches more of its memory, of which a host may have huge pages.
const SLACK: u64 = 4 << 20;

machine_code!(
    /// Writes to each page from 16 MiB to 32 MiB.
    fn touch {
        "mov $0x1000000, %ecx"
        "1: movb $1, (%rcx)"
        "add $0x1000, %ecx"
        "cmp $0x2000000, %ecx"
        "jb 1b"
        "ret"
    }
);

/// A driver that has written to its memory, and accepted these features.
fn driver(features: u64) -> Script {
    let script = Script::new().call(CODE, touch());
    let script = virtio::negotiate_with(script, DEVICE, features);
    let queues = if features == 0 { 2 } else { 3 };
    let script = (0..)
        .zip(&RINGS[..queues])
        .fold(script, |script, (index, rings)| {
            virtio::set_queue(script, DEVICE, index, 16, *rings)
        });
    virtio::driver_ok(script, DEVICE)
}

/// Makes one buffer available in a queue, and waits until it is used.
fn give(script: Script, queue: u64, address: u64, len: u32, flags: u16) -> Script {
    let rings = RINGS[queue as usize];
    let next = 0;
    let descriptor = Descriptor {
        address,
        len,
        flags,
        next,
    };
    let script = rings.fill(script, &[descriptor], &[0]);
    script.write(4, DEVICE + reg::QUEUE_NOTIFY, queue)
}

/// Lists pages to be put into the balloon.
fn inflate(script: Script, pages: &[u32]) -> Script {
    let list: Vec<u8> = pages.iter().flat_map(|page| page.to_le_bytes()).collect();
    let script = script.memory(LIST, &list);
    let script = give(script, INFLATE, LIST, list.len() as u32, 0);
    RINGS[INFLATE as usize].wait(script, 1)
}

fn touched_pages() -> Vec<u32> {
    let pages = TOUCHED / 4096..(TOUCHED + TOUCHED_BYTES) / 4096;
    pages.map(|page| page as u32).collect()
}

fn vm(script: &Script, target: &str) -> Builder {
    let builder = TestVm::builder().transport("mmio").memory("64M");
    builder.kernel(&script.pvh()).arg("--balloon").arg(target)
}

/// Boots a guest that says "ready", and halts; returns the resident memory then.
fn resident_bytes(script: Script) -> Result<u64> {
    let vm = vm(&script.say("ready").halt(), "16M").boot()?;
    vm.wait_for("ready")?;
    vm.resident_bytes()
}

#[test]
fn the_target_is_in_the_configuration() -> Result<()> {
    require_kvm!();
    let script = [reg::DEVICE_ID, reg::CONFIG]
        .into_iter()
        .fold(Script::new(), |script, field| {
            script.read(4, DEVICE + field).send(4)
        });
    let ended = vm(&script, "20M").run()?.expect(0)?;
    let expected = [BALLOON, (20 << 20) / 4096].map(u32::to_le_bytes).concat();
    ensure!(ended.stdout == expected, "{:?}", ended.stdout);
    Ok(())
}

#[test]
fn memory_in_the_balloon_is_the_hosts_again() -> Result<()> {
    require_kvm!();
    let before = resident_bytes(driver(0))?;
    ensure!(before >= TOUCHED_BYTES, "{before}");
    let after = resident_bytes(inflate(driver(0), &touched_pages()))?;
    ensure!(after + TOUCHED_BYTES <= before + SLACK, "{before} {after}");
    Ok(())
}

#[test]
fn memory_reported_as_free_is_the_hosts_again_until_it_is_used() -> Result<()> {
    require_kvm!();
    let before = resident_bytes(driver(F_REPORTING))?;
    let flags = Descriptor::WRITE;
    let script = give(
        driver(F_REPORTING),
        THIRD,
        TOUCHED,
        TOUCHED_BYTES as u32,
        flags,
    );
    let script = RINGS[THIRD as usize].wait(script, 1);
    let after = resident_bytes(script.clone())?;
    ensure!(after + TOUCHED_BYTES <= before + SLACK, "{before} {after}");
    let again = resident_bytes(script.call(CODE, touch()))?;
    ensure!(again + SLACK >= before, "{before} {again}");
    Ok(())
}

#[test]
fn what_was_in_the_balloon_is_zero_and_can_be_used() -> Result<()> {
    require_kvm!();
    let script = inflate(driver(0), &touched_pages())
        .read(8, TOUCHED)
        .send(8)
        .write(8, TOUCHED, 0x6b6f)
        .read(8, TOUCHED)
        .send(2);
    let ended = vm(&script, "16M").run()?.expect(0)?;
    ensure!(ended.stdout == *b"\0\0\0\0\0\0\0\0ok", "{:?}", ended.stdout);
    Ok(())
}

#[test]
fn the_report_says_how_the_balloon_stands() -> Result<()> {
    require_kvm!();
    const FREE_MEMORY: u16 = 4;
    let entry = [&FREE_MEMORY.to_le_bytes()[..], &77_u64.to_le_bytes()].concat();
    let statistics = BUFFER + 0x3_0000;
    let script = driver(F_STATISTICS).memory(statistics, &entry);
    let script = give(script, THIRD, statistics, entry.len() as u32, 0);
    // Used when the next are asked for.
    let script = RINGS[THIRD as usize].wait(script, 1);
    // One comes again, and two are no memory.
    let pages = [5000, 5001, 5000, 16384, u32::MAX];
    let script = inflate(script, &pages).write(4, DEVICE + reg::CONFIG + 4, 2);
    let ended = vm(&script, "16M").report().run()?.expect(0)?;
    let report = ended.report()?;
    let balloon = &report.json["balloon"];
    let bytes = |name: &str| balloon[name].as_u64().unwrap_or(u64::MAX);
    ensure!(bytes("target_bytes") == 16 << 20, "{balloon}");
    ensure!(bytes("actual_bytes") == 2 * 4096, "{balloon}");
    ensure!(bytes("discarded_bytes") == 2 * 4096, "{balloon}");
    ensure!(balloon["statistics"]["free_memory"] == 77, "{balloon}");
    ensure!(report.refused("virtio-balloon") == 3);
    Ok(())
}

#[test]
fn the_built_in_guest_gives_memory_and_takes_it_again() -> Result<()> {
    require_kvm!();
    let vm = TestVm::builder().arg("--suite").arg("balloon");
    let ended = vm.arg("--balloon").arg("16M").report().run()?.expect(0)?;
    let report = ended.report()?;
    ensure!(report.checks() == [("io.balloon", "pass")]);
    let balloon = &report.json["balloon"];
    // By three ways, each twice.
    let least = 3 * 2 * 777 * 4096;
    let discarded = balloon["discarded_bytes"].as_u64();
    ensure!(discarded >= Some(least), "{balloon}");
    ensure!(balloon["actual_bytes"] == 0, "{balloon}");
    ensure!(report.refused("virtio-balloon") == 0);
    Ok(())
}

#[test]
fn a_balloon_that_cannot_be() -> Result<()> {
    require_kvm!();
    let refused = |size: &str, words: &[&str]| {
        let ended = vm(&Script::new().say("up"), size).run()?;
        ended.expect_line(2, words).map(drop)
    };
    refused(
        "64M",
        &["balloon of 64M leaves a guest of 64M no memory", "smaller"],
    )?;
    refused("1G", &["no memory"])?;
    refused("x", &["--balloon", "is no size"])?;
    refused("1", &["--balloon", "multiple of 4K"])?;
    vm(&Script::new().say("up"), "0M").run()?.expect(0)?;
    Ok(())
}
