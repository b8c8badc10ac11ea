//! The text screen and the keyboard: in the report, on a terminal, as text.

use anyhow::{Result, ensure};
use std::thread;
use std::time::Duration;
use tests::terminal::Terminal;
use tests::{Ended, Kernel, Script, TestVm, machine_code, require_kvm};

const TEXT: u64 = 0xb_8000;

/// Text on a row of the screen.
fn put(script: Script, row: u64, attribute: u8, text: &str) -> Script {
    let cells = (0..).zip(text.bytes());
    cells.fold(script, |script, (column, code)| {
        let cell = u64::from(u16::from_le_bytes([code, attribute]));
        script.write(2, TEXT + (80 * row + column) * 2, cell)
    })
}

fn screen(ended: &Ended) -> Result<Vec<&str>> {
    let rows = ended.report()?.json["screen"].as_array();
    let rows = rows.into_iter().flatten();
    Ok(rows.filter_map(|row| row.as_str()).collect())
}

#[test]
fn the_report_keeps_the_text_of_the_screen() -> Result<()> {
    require_kvm!();
    let script = put(Script::new(), 0, 0x07, "Hello,");
    let script = put(script, 24, 0x1f, "\u{1}world \u{7f}");
    let vm = TestVm::builder().kernel(&script.pvh()).report();
    let ended = vm.run()?.expect(0)?;
    let rows = screen(&ended)?;
    ensure!(rows.len() == 25, "{rows:?}");
    ensure!((rows[0], rows[24]) == ("Hello,", "☺world ⌂"), "{rows:?}");
    ensure!(rows[1..24].iter().all(|row| row.is_empty()), "{rows:?}");
    ensure!(ended.stdout.is_empty(), "nobody asked to see it");
    Ok(())
}

#[test]
fn a_screen_that_nobody_wrote_to_is_not_reported() -> Result<()> {
    require_kvm!();
    let vm = TestVm::builder().kernel(&Script::new().pvh()).report();
    let ended = vm.run()?.expect(0)?;
    ensure!(ended.report()?.json.get("screen").is_none());
    Ok(())
}

#[test]
fn the_screen_follows_the_start_address() -> Result<()> {
    require_kvm!();
    let script = put(Script::new(), 0, 0x07, "above");
    let script = put(script, 3, 0x07, "first")
        .out16(0x3d4, 0xf00d)
        .out16(0x3d4, 0x000c);
    let vm = TestVm::builder().kernel(&script.pvh()).report();
    let ended = vm.run()?.expect(0)?;
    ensure!(screen(&ended)?[0] == "first", "{:?}", screen(&ended)?);
    Ok(())
}

#[test]
fn without_a_terminal_the_screen_is_text() -> Result<()> {
    require_kvm!();
    let script = put(Script::new(), 0, 0x07, "first row");
    let script = put(script, 2, 0x4f, "third row").say("serial\n");
    let vm = TestVm::builder().kernel(&script.pvh());
    let ended = vm.arg("--console").arg("vga").run()?.expect(0)?;
    let text = ended.text();
    ensure!(text == "serial\nfirst row\n\nthird row\n", "{text:?}");
    Ok(())
}

#[test]
fn on_a_terminal_the_screen_is_drawn_and_the_terminal_restored() -> Result<()> {
    require_kvm!();
    // What is on the screen is the last that it does.
    let script = Script::new().say("from serial");
    let script = put(script, 4, 0x1e, "yellow on blue");
    let terminal = Terminal::open()?;
    let before = terminal.modes()?;
    let vm = TestVm::builder().kernel(&script.halt().pvh()).on(terminal);
    let mut vm = vm.arg("--console").arg("vga").boot()?;
    vm.wait_for("\x1b[?1049h")?;
    vm.wait_for("\x1b[5;1H\x1b[0;93;44myellow on blue")?;
    vm.type_in(b"\x01h")?;
    vm.wait_for("presses its power button")?;
    vm.type_in(b"\x01x")?;
    let ended = vm.wait()?.expect(0)?;
    let text = ended.text();
    let (_, after) = text.split_once("\x1b[?1049l").unwrap_or_default();
    ensure!(after.contains("yellow on blue"), "{after:?}");
    ensure!(after.trim_end().ends_with("from serial"), "{after:?}");
    let modes = ended.terminal.as_ref().map(Terminal::modes).transpose()?;
    ensure!(modes == Some(before));
    Ok(())
}

#[test]
fn the_built_in_guest_has_no_screen() -> Result<()> {
    let vm = TestVm::builder().arg("--console").arg("vga");
    vm.run()?.expect_line(2, &["no VGA console", "serial"])?;
    Ok(())
}

machine_code!(
    /// Says `>`, then sends each scancode on, up to that of Escape let go; then switches off.
    fn send_scancodes {
        ".code32"
        "mov $0x3f8, %edx"
        "mov $0x3e, %al"
        "out %al, %dx"
        "1: in $0x64, %al"
        "test $1, %al"
        "jz 1b"
        "in $0x60, %al"
        "out %al, %dx"
        "cmp $0x81, %al"
        "jne 1b"
        "mov $0x501, %edx"
        "xor %eax, %eax"
        "out %al, %dx"
        "2: hlt"
        "jmp 2b"
    }
);

#[test]
fn what_is_typed_comes_as_scancodes() -> Result<()> {
    require_kvm!();
    let vm = TestVm::builder().kernel(&Kernel::pvh(send_scancodes()));
    let mut vm = vm.arg("--console").arg("vga").typing().boot()?;
    vm.wait_for(">")?;
    vm.type_in(b"aB\x1b[A\xc3\xa4\r\x1b")?;
    let ended = vm.wait()?.expect(0)?;
    let expected = [
        b'>', 0x1e, 0x9e, 0x2a, 0x30, 0xb0, 0xaa, 0xe0, 0x48, 0xe0, 0xc8, 0x1c, 0x9c, 0x01, 0x81,
    ];
    ensure!(ended.stdout == expected, "{:x?}", ended.stdout);
    Ok(())
}

#[test]
fn a_paused_screen_stays_and_goes_on() -> Result<()> {
    require_kvm!();
    let kernel = Kernel::pvh(count_on_screen());
    let vm = TestVm::builder().kernel(&kernel).on(Terminal::open()?);
    let mut vm = vm.arg("--console").arg("vga").boot()?;
    vm.wait_for("\x1b[1;1H")?;
    vm.type_in(b"\x01p")?;
    vm.wait_for("[paused")?;
    thread::sleep(Duration::from_millis(200));
    vm.type_in(b"\x01p")?;
    vm.wait_for("[goes on]")?;
    vm.type_in(b"\x01x")?;
    vm.wait()?.expect(0)?;
    Ok(())
}

machine_code!(
    /// Counts in the first cell of the screen.
    fn count_on_screen {
        ".code32"
        "mov $0x0700, %eax"
        "1: inc %al"
        "mov %ax, 0xb8000"
        "jmp 1b"
    }
);
