//! Each way in which a VM ends: exit status, words, and the reason in the report.

use anyhow::{Result, ensure};
use std::time::{Duration, Instant};
use tests::terminal::Terminal;
use tests::{Ended, Script, TestVm, host, require_kvm};
use vmm::doctor::KvmKind;

/// Runs a script to its end, which is to be that.
fn ends(script: &Script, status: i32, reason: &str) -> Result<Ended> {
    let ended = TestVm::builder().kernel(&script.pvh()).report().run()?;
    let ended = ended.expect(status)?;
    let halt = ended.report()?.halt().to_owned();
    ensure!(halt == reason, "the report says {halt}, not {reason}");
    Ok(ended)
}

#[test]
fn power_off_is_success_and_silent() -> Result<()> {
    require_kvm!();
    let ended = ends(&Script::new(), 0, "power_off")?;
    ensure!(ended.stderr.is_empty(), "{}", ended.stderr);
    Ok(())
}

#[test]
fn a_reset_by_the_keyboard_controller_ends_the_vm_well() -> Result<()> {
    require_kvm!();
    ends(&Script::new().out8(0x64, 0xfe).spin(), 0, "reset")?;
    Ok(())
}

#[test]
fn a_reset_by_the_chipset_ends_the_vm_well() -> Result<()> {
    require_kvm!();
    ends(&Script::new().out8(0xcf9, 0x06).spin(), 0, "reset")?;
    Ok(())
}

#[test]
fn a_code_of_the_guests_own_is_a_failure_with_that_code() -> Result<()> {
    require_kvm!();
    for code in [1, 7] {
        let ended = ends(&Script::new().end(code), 1, "debug_exit")?;
        ended.expect_line(1, &["hostel:", &format!("code {code}")])?;
    }
    Ok(())
}

#[test]
fn a_panic_of_the_guests_kernel_is_a_crash() -> Result<()> {
    require_kvm!();
    ends(&Script::new().end(0xee), 4, "guest_panic")?.expect_line(4, &["panicked"])?;
    Ok(())
}

#[test]
fn a_triple_fault_is_a_crash_with_registers() -> Result<()> {
    require_kvm!();
    let ended = ends(&Script::new().invalid_opcode(), 4, "triple_fault")?;
    let ended = ended.expect_words(&["hostel: triple fault"])?;
    // KVM keeps the registers, but not with SVM, which leaves them undefined.
    if host::kvm_kind() == KvmKind::Software || !ended.stderr.contains("does not keep") {
        ended.expect_words(&["rip 0000000000101", "cr3 0000000000110000"])?;
    }
    Ok(())
}

#[test]
fn an_instruction_that_kvm_cannot_emulate_is_a_crash_with_its_bytes() -> Result<()> {
    require_kvm!();
    if !host::is_kind(KvmKind::Software) {
        return Ok(());
    }
    let ended = ends(&Script::new().popcnt(), 4, "emulation_failure")?;
    // popcnt rax, rax
    ended.expect_words(&[
        "cannot emulate",
        "bytes at rip: f3 48 0f b8 c0",
        "rip 0000000000101",
    ])?;
    Ok(())
}

#[test]
fn a_guest_that_never_ends_runs_into_the_timeout() -> Result<()> {
    require_kvm!();
    for script in [Script::new().halt(), Script::new().spin()] {
        let start = Instant::now();
        let vm = TestVm::builder().kernel(&script.pvh()).timeout(1).report();
        let ended = vm.run()?.expect_line(5, &["time is over", "--timeout"])?;
        ensure!(ended.report()?.halt() == "timeout", "the reason");
        let took = start.elapsed();
        ensure!(took >= Duration::from_millis(900), "took {took:?}");
    }
    Ok(())
}

#[test]
fn the_user_quits_by_ctrl_a_x() -> Result<()> {
    require_kvm!();
    let kernel = Script::new().say("up").halt().pvh();
    let vm = TestVm::builder().kernel(&kernel).report();
    let mut vm = vm.on(Terminal::open()?).boot()?;
    vm.wait_for("up")?;
    vm.type_in(b"\x01x")?;
    ensure!(vm.wait()?.expect(0)?.report()?.halt() == "quit");
    Ok(())
}

#[test]
fn a_signal_ends_the_vm_in_order() -> Result<()> {
    require_kvm!();
    for (signal, status) in [("TERM", 128 + 15), ("INT", 128 + 2), ("HUP", 128 + 1)] {
        let kernel = Script::new().say("up").spin().pvh();
        let vm = TestVm::builder().kernel(&kernel).report().boot()?;
        vm.wait_for("up")?;
        vm.signal(signal)?;
        let ended = vm.wait()?.expect_line(status, &["signal"])?;
        ensure!(ended.report()?.halt() == "signal", "SIG{signal}");
    }
    Ok(())
}
