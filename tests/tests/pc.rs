//! The PC's own devices as a kernel from elsewhere finds them, and the options that go with them.

use anyhow::{Result, ensure};
use std::time::Instant;
use tests::terminal::Terminal;
use tests::{BUFFER, Kernel, Scratch, Script, TestVm, machine_code, require_kvm};

/// Runs a script; what it sent.
fn sent(script: &Script, args: &[&str]) -> Result<Vec<u8>> {
    let vm = TestVm::builder().kernel(&script.pvh());
    let vm = args.iter().fold(vm, |vm, arg| vm.arg(arg));
    Ok(vm.run()?.expect(0)?.stdout)
}

/// Reads the requests that a PIC has seen.
fn requests(script: Script, pic: u16) -> Script {
    script.out8(pic, 0x0a).in8(pic).send(1)
}

/// Waits for a request at a PIC. The host raises lines in threads of its own.
fn await_request(script: Script, pic: u16, bit: u8) -> Script {
    script.out8(pic, 0x0a).in8_until(pic, bit).send(1)
}

#[test]
fn a_keyboards_reply_interrupts() -> Result<()> {
    require_kvm!();
    let script = requests(Script::new(), 0x20)
        .out8(0x60, 0xee)
        .in8(0x60)
        .send(1);
    let bytes = sent(&await_request(script, 0x20, 2), &[])?;
    ensure!(bytes[0] & 2 == 0, "at once: {bytes:x?}");
    ensure!(bytes[1] == 0xee && bytes[2] & 2 == 2, "{bytes:x?}");
    Ok(())
}

#[test]
fn the_clock_interrupts_periodically_until_it_is_read() -> Result<()> {
    require_kvm!();
    let enable = requests(Script::new(), 0xa0)
        .out8(0x70, 0x0b)
        .out8(0x71, 0x42);
    let script = await_request(enable, 0xa0, 1)
        .out8(0x70, 0x0c)
        .in8(0x71)
        .send(1);
    let bytes = sent(&script, &[])?;
    ensure!(bytes[0] & 1 == 0, "before: {bytes:x?}");
    ensure!(bytes[1] & 1 == 1, "IRQ 8: {bytes:x?}");
    ensure!(bytes[2] & 0xc0 == 0xc0, "register C: {bytes:x?}");
    Ok(())
}

/// KVM's PIT counts in mode 0 with the gate shut, too; kernels that measure time by it open the gate
/// first, as here.
///
/// The count lasts 55 ms, which a busy host may take from a guest at any instruction. So a try is
/// judged by what it read last: if OUT was low then, all that was read before was read in time.
#[test]
fn the_pits_second_channel_counts_to_its_output() -> Result<()> {
    require_kvm!();
    const TRIES: u64 = 100;
    const TRY_BYTES: usize = 7;
    let speaker = |script: Script| script.in8(0x61).send(1);
    // The read-back command latches the count, then the status, which is read first.
    let latch = |script: Script| {
        let status = script.out8(0x43, 0xc8).in8(0x42).send(1);
        status.in8(0x42).send(1).in8(0x42).send(1)
    };
    // Speaker and gate, mode 0, both bytes of the count.
    let start = Script::new().out8(0x61, 3).out8(0x43, 0xb0);
    let once = latch(latch(speaker(start.out8(0x42, 0xff).out8(0x42, 0xff))));
    let steps = once.steps();
    let over = once.repeat(steps, TRIES).in8_until(0x61, 0x20);
    let bytes = sent(&latch(speaker(over.send(1).out8(0x61, 0))), &[])?;
    let (tries, end) = bytes.as_chunks::<TRY_BYTES>();
    ensure!(tries.len() == TRIES as usize, "{bytes:x?}");
    let mut in_time = 0;
    for one in tries {
        let [speaker, status, low, high, later, later_low, later_high] = *one;
        for status in [status, later] {
            ensure!(status & 0x3f == 0x30, "mode 0, two bytes: {one:x?}");
        }
        if later & 0x80 != 0 {
            continue;
        }
        in_time += 1;
        ensure!(speaker & 0x23 == 0x03, "OUT2 is low, gate open: {one:x?}");
        ensure!(status & 0x80 == 0, "OUT was high and fell: {one:x?}");
        let [first, second] = [[low, high], [later_low, later_high]].map(u16::from_le_bytes);
        ensure!(first > second, "it counts down: {one:x?}");
    }
    ensure!(in_time > 0, "55 ms went by in every try: {tries:x?}");
    ensure!(end[0] & 0x23 == 0x23, "OUT2 is high: {end:x?}");
    ensure!(end[1] & 0x03 == 0, "gate shut: {end:x?}");
    ensure!(end[2] & 0xbf == 0xb0, "OUT in the status, too: {end:x?}");
    Ok(())
}

/// ACPI 6.5 4.8.3.3.
const TICKS_PER_S: u128 = 3_579_545;

#[test]
fn the_acpi_timer_counts_and_s5_is_power_off() -> Result<()> {
    require_kvm!();
    const EXITS: u64 = 20_000;
    let script = Script::new().in32(0x608).send(4).in8(0x80).repeat(1, EXITS);
    let script = script.in32(0x608).send(4).out16(0x604, 0x3400).spin();
    let vm = TestVm::builder().kernel(&script.pvh()).report();
    let start = Instant::now();
    let ended = vm.run()?.expect(0)?;
    let most = start.elapsed().as_nanos() * TICKS_PER_S / 1_000_000_000;
    ensure!(ended.report()?.halt() == "power_off");
    let dwords = ended.stdout.chunks_exact(4);
    let counts: Vec<u32> = dwords
        .map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four bytes")))
        .collect();
    let passed = counts[1].wrapping_sub(counts[0]);
    // No exit to userspace takes less than 0.5 us, and all are within what the host has measured.
    let least = u128::from(EXITS) * TICKS_PER_S / 2_000_000;
    ensure!((least..=most).contains(&passed.into()), "{counts:?}");
    Ok(())
}

machine_code!(
    /// Enables the power button's event, says `>`, waits for it, sees the interrupt's request at
    /// the PIC, and powers off by ACPI.
    fn power_off_by_button {
        ".code32"
        "mov $0x602, %edx"
        "mov $0x100, %eax"
        "out %ax, %dx"
        "mov $0x3f8, %edx"
        "mov $0x3e, %al"
        "out %al, %dx"
        "mov $0x600, %edx"
        "1: in %dx, %ax"
        "test $0x100, %eax"
        "jz 1b"
        "mov $0x0a, %al"
        "out %al, $0xa0"
        "in $0xa0, %al"
        "mov $0x3f8, %edx"
        "out %al, %dx"
        "mov $0x604, %edx"
        "mov $0x3400, %eax"
        "out %ax, %dx"
        "2: hlt"
        "jmp 2b"
    }
);

#[test]
fn ctrl_a_s_presses_the_power_button() -> Result<()> {
    require_kvm!();
    let vm = TestVm::builder().kernel(&Kernel::pvh(power_off_by_button()));
    let mut vm = vm.on(Terminal::open()?).report().boot()?;
    vm.wait_for(">")?;
    vm.type_in(b"\x01s")?;
    let ended = vm.wait()?.expect(0)?;
    ensure!(ended.report()?.halt() == "power_off");
    let [.., pic] = ended.stdout[..] else {
        anyhow::bail!("nothing was sent")
    };
    let sent = ended
        .stdout
        .iter()
        .filter(|byte| **byte & 2 != 0 && **byte < b' ');
    ensure!(sent.count() > 0, "GSI 9 was not requested: {pic:#x}");
    Ok(())
}

#[test]
fn com2_writes_to_its_file() -> Result<()> {
    require_kvm!();
    let scratch = Scratch::new()?;
    let path = scratch.path("com2");
    let script = b"second"
        .iter()
        .fold(Script::new().say("first"), |script, byte| {
            script.out8(0x2f8, *byte)
        });
    let vm = TestVm::builder()
        .kernel(&script.pvh())
        .arg("--com2")
        .arg(&path);
    ensure!(vm.run()?.expect(0)?.stdout == b"first");
    ensure!(std::fs::read(&path)? == b"second");
    let vm = TestVm::builder().kernel(&script.pvh()).arg("--com2");
    vm.arg("/nowhere/at/all")
        .run()?
        .expect_line(2, &["COM2", "/nowhere"])?;
    Ok(())
}

#[test]
fn debug_exit_ends_with_the_values_status() -> Result<()> {
    require_kvm!();
    let cases = [
        ("0xf4", Script::new().out8(0xf4, 0x10), 33),
        ("244", Script::new().out16(0xf4, 0x0000), 1),
        ("0xf4", Script::new().out32(0xf4, 0xffff_ff7f), 255),
        ("0x501", Script::new().out8(0x501, 0), 1),
        ("0x501", Script::new().out32(0x501, 3), 7),
    ];
    for (port, script, status) in cases {
        let vm = TestVm::builder().kernel(&script.spin().pvh()).report();
        let ended = vm.arg("--debug-exit").arg(port).run()?;
        let ended = ended.expect_line(status, &[&format!("status {status}")])?;
        ensure!(ended.report()?.halt() == "test_exit");
        ensure!(ended.report()?.json["halt"]["status"] == status);
    }
    Ok(())
}

#[test]
fn a_debug_exit_port_that_is_taken_is_refused() -> Result<()> {
    require_kvm!();
    let kernel = Script::new().pvh();
    for (port, owner) in [
        ("0x3f8", "serial"),
        ("0x60", "i8042"),
        ("0x61", "timer"),
        ("0x21", "interrupt controller"),
        ("0x604", "acpi"),
    ] {
        let vm = TestVm::builder().kernel(&kernel).arg("--debug-exit");
        vm.arg(port).run()?.expect_line(2, &[owner, port])?;
    }
    for port in ["0x10000", "-1", "x", ""] {
        let vm = TestVm::builder().kernel(&kernel);
        let vm = vm.arg(format!("--debug-exit={port}"));
        vm.run()?.expect_line(2, &["debug-exit"])?;
    }
    Ok(())
}

#[test]
fn the_test_devices_latch_lines_and_pages_work() -> Result<()> {
    require_kvm!();
    let page = BUFFER + 0x5000;
    let latch = Script::new().out32(0xe0, 0x0403_0201).out8(0xe1, 9);
    let script = latch.in32(0xe0).send(4).in16(0xe2).send(2);
    let script = requests(script.out8(0x2005, 1), 0x20).out8(0x2005, 0);
    let value = 0x1122_3344_5566_7788;
    let script = script
        .write(8, page, value)
        .out32(0xe4, page as u32)
        .read(8, page)
        .send(8)
        .write(8, page, !value)
        .out32(0xe4, page as u32)
        .out32(0xe4, 0xffff_f000)
        .read(8, page)
        .send(8)
        .write(8, 0xff00_0004, value)
        .read(4, 0xff00_0006)
        .send(4);
    let bytes = sent(&script, &["--device", "testdev"])?;
    ensure!(bytes[..6] == [1, 9, 3, 4, 3, 4], "latch: {bytes:x?}");
    ensure!(bytes[6] & 0x20 != 0, "line 5: {bytes:x?}");
    ensure!(bytes[7..15] == value.to_le_bytes(), "page: {bytes:x?}");
    ensure!(bytes[15..23] == (!value).to_le_bytes(), "page: {bytes:x?}");
    ensure!(
        bytes[23..] == [0x66, 0x55, 0x44, 0x33],
        "memory: {bytes:x?}"
    );
    let without = Script::new().out32(0xe0, 1).in32(0xe0).send(4);
    ensure!(
        sent(&without, &[])? == [0xff; 4],
        "there without being asked for"
    );
    Ok(())
}

#[test]
fn the_firmware_configuration_tells_what_the_kernel_was_given() -> Result<()> {
    require_kvm!();
    let item = |script: Script, key, bytes| {
        let script = script.out16(0x510, key);
        (0..bytes).fold(script, |script, _| script.in8(0x511).send(1))
    };
    let script = [(0, 4), (5, 2), (3, 8), (0x15, 6), (0x0b, 4), (0x12, 5)]
        .into_iter()
        .fold(Script::new(), |script, (key, bytes)| {
            item(script, key, bytes)
        });
    let vm = TestVm::builder()
        .kernel(&script.pvh())
        .cpus(2)
        .memory("64M");
    let vm = vm
        .initrd(b"disk")
        .append("a=b c")
        .arg("--device")
        .arg("testdev");
    let bytes = vm.run()?.expect(0)?.stdout;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    ensure!(text.starts_with("QEMU\u{2}\0"), "{text:?}");
    ensure!(bytes[6..14] == (64_u64 << 20).to_le_bytes(), "{text:?}");
    ensure!(bytes[14..].starts_with(b"a=b c"), "{text:?}");
    ensure!(bytes[20..] == *b"\x04\0\0\0disk\0", "{text:?}");
    Ok(())
}
