//! The user's terminal: raw while the guest runs, as it was on every way out; what is typed
//! reaches the guest whole.

use anyhow::{Result, ensure};
use std::thread;
use tests::terminal::Terminal;
use tests::{Ended, Kernel, Script, TestVm, machine_code, require_kvm};

machine_code!(
    /// Says `>`, then sends back each byte that comes on the serial port.
    fn echo {
        ".code32"
        "mov $0x3f8, %edx"
        "mov $0x3e, %al"
        "out %al, %dx"
        "1: mov $0x3fd, %edx"
        "in %dx, %al"
        "test $1, %al"
        "jz 1b"
        "mov $0x3f8, %edx"
        "in %dx, %al"
        "out %al, %dx"
        "jmp 1b"
    }
);

machine_code!(
    /// Says `>`, waits for a byte on the serial port, and switches off.
    fn end_at_key {
        ".code32"
        "mov $0x3f8, %edx"
        "mov $0x3e, %al"
        "out %al, %dx"
        "1: mov $0x3fd, %edx"
        "in %dx, %al"
        "test $1, %al"
        "jz 1b"
        "mov $0x501, %edx"
        "xor %eax, %eax"
        "out %al, %dx"
        "2: hlt"
        "jmp 2b"
    }
);

/// Runs a guest that says `>` on a terminal, ends it by `end`, and holds the terminal's modes
/// against those before.
fn restored_after(kernel: &Kernel, end: impl FnOnce(&mut TestVm) -> Result<()>) -> Result<Ended> {
    let terminal = Terminal::open()?;
    let before = terminal.modes()?;
    ensure!(!terminal.is_raw()?, "a fresh terminal is not raw");
    let mut vm = TestVm::builder().kernel(kernel).on(terminal).boot()?;
    vm.wait_for(">")?;
    end(&mut vm)?;
    let ended = vm.wait()?;
    let after = ended.terminal.as_ref().map(Terminal::modes).transpose()?;
    ensure!(
        after == Some(before),
        "the terminal was {before:x?}, is {after:x?}"
    );
    Ok(ended)
}

fn is_raw(vm: &TestVm) -> Result<()> {
    ensure!(
        vm.terminal().is_raw()?,
        "the terminal is not raw while the guest runs"
    );
    Ok(())
}

#[test]
fn it_is_raw_for_the_guest_and_restored_after_a_good_end() -> Result<()> {
    require_kvm!();
    let ended = restored_after(&Kernel::pvh(end_at_key()), |vm| {
        is_raw(vm)?;
        vm.type_in(b"k")
    })?;
    ended.expect(0)?;
    Ok(())
}

#[test]
fn it_is_restored_after_ctrl_a_x() -> Result<()> {
    require_kvm!();
    let ended = restored_after(&Kernel::pvh(echo()), |vm| {
        is_raw(vm)?;
        vm.type_in(b"\x01x")
    })?;
    ended.expect(0)?;
    Ok(())
}

#[test]
fn it_is_restored_after_a_signal() -> Result<()> {
    require_kvm!();
    let ended = restored_after(&Kernel::pvh(echo()), |vm| vm.signal("TERM"))?;
    ended.expect(128 + 15)?;
    Ok(())
}

#[test]
fn it_is_restored_after_a_crash_of_the_guest() -> Result<()> {
    require_kvm!();
    let kernel = Script::new().say(">").invalid_opcode().pvh();
    let ended = restored_after(&kernel, |_| Ok(()))?;
    let text = ended.expect(4)?.text();
    ensure!(text.contains("triple fault"), "{text}");
    Ok(())
}

#[test]
fn it_is_restored_after_the_timeout() -> Result<()> {
    require_kvm!();
    let terminal = Terminal::open()?;
    let before = terminal.modes()?;
    let kernel = Script::new().halt().pvh();
    let vm = TestVm::builder().kernel(&kernel).timeout(1).on(terminal);
    let ended = vm.run()?.expect(5)?;
    let after = ended.terminal.as_ref().map(Terminal::modes).transpose()?;
    ensure!(
        after == Some(before),
        "the terminal was {before:x?}, is {after:x?}"
    );
    Ok(())
}

#[test]
fn ctrl_a_h_helps_and_the_guest_goes_on() -> Result<()> {
    require_kvm!();
    let kernel = Kernel::pvh(echo());
    let mut vm = TestVm::builder()
        .kernel(&kernel)
        .on(Terminal::open()?)
        .boot()?;
    vm.wait_for(">")?;
    vm.type_in(b"\x01h")?;
    vm.wait_for("Ctrl-A x  ends the virtual machine")?;
    vm.type_in(b"still here")?;
    vm.wait_for("still here")
}

#[test]
fn ctrl_a_x_is_heard_when_the_guest_does_not_listen() -> Result<()> {
    require_kvm!();
    for console in ["serial", "virtio", "vga"] {
        let kernel = Script::new().say("up").halt().pvh();
        let vm = TestVm::builder().kernel(&kernel).on(Terminal::open()?);
        let vm = vm.arg("--console").arg(console).report();
        let mut vm = vm.boot()?;
        while !vm.terminal().is_raw()? {
            thread::yield_now();
        }
        for _ in 0..10 {
            vm.type_in(&[b'x'; 1000])?;
        }
        vm.type_in(b"\x01x")?;
        ensure!(
            vm.wait()?.expect(0)?.report()?.halt() == "quit",
            "{console}"
        );
    }
    Ok(())
}

#[test]
fn ctrl_c_and_ctrl_d_are_the_guests() -> Result<()> {
    require_kvm!();
    let kernel = Kernel::pvh(echo());
    let mut vm = TestVm::builder()
        .kernel(&kernel)
        .on(Terminal::open()?)
        .boot()?;
    vm.wait_for(">")?;
    vm.type_in(b"\x03\x04\x1a\x01\x01.")?;
    vm.wait_for("\x03\x04\x1a\x01.")
}

/// Printable bytes, none of them a line end, whose order shows.
fn long_input() -> Vec<u8> {
    let lines = (0..64 << 10_u32).step_by(8).map(|at| format!("{at:07x}|"));
    lines.collect::<String>().into_bytes()
}

#[test]
fn long_input_reaches_a_slow_guest_unbroken() -> Result<()> {
    require_kvm!();
    let kernel = Kernel::pvh(echo());
    let vm = TestVm::builder()
        .kernel(&kernel)
        .on(Terminal::open()?)
        .boot()?;
    vm.wait_for(">")?;
    let mut keyboard = vm.terminal().keyboard()?;
    let typist = thread::spawn(move || std::io::Write::write_all(&mut keyboard, &long_input()));
    let expected = [b">".to_vec(), long_input()].concat();
    vm.wait_until("64 KiB", |bytes| bytes.len() >= expected.len())?;
    vm.wait_until("the same 64 KiB", |bytes| bytes == expected)?;
    typist.join().expect("the typist does not panic")?;
    Ok(())
}

#[test]
fn input_from_a_pipe_is_all_the_guests() -> Result<()> {
    require_kvm!();
    let kernel = Kernel::pvh(echo());
    let mut vm = TestVm::builder().kernel(&kernel).typing().boot()?;
    vm.wait_for(">")?;
    vm.type_in(b"\x01x is no command\n")?;
    vm.wait_for("\x01x is no command\n")
}
