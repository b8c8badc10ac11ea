//! `hostel doctor`, with KVM and without; and what `hostel run` says without.

use anyhow::{Result, ensure};
use std::process::{Command, Output};
use tests::{Script, TestVm, binary, host};
use vmm::doctor::KvmKind;
use vmm::kvm::Kvm;

fn doctor() -> Result<Output> {
    Ok(Command::new(binary::hostel()).arg("doctor").output()?)
}

#[test]
fn it_tells_the_kind_of_kvm_and_what_exits_cost() -> Result<()> {
    tests::require_kvm!();
    let output = doctor()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.code() == Some(0), "{text}");
    let kind = match host::kvm_kind() {
        KvmKind::Hardware => "hardware:",
        KvmKind::Software => "software:",
    };
    let topics = [
        "/dev/kvm",
        kind,
        "port write",
        "ioeventfd",
        "processors",
        "memory",
        "io_uring",
    ];
    for topic in topics.into_iter().chain(["TUN", "huge pages"]) {
        ensure!(text.contains(topic), "no {topic:?} in:\n{text}");
    }
    ensure!(text.lines().all(|line| line.len() <= 80), "{text}");
    Ok(())
}

#[test]
fn without_kvm_both_say_what_to_do_and_end_with_status_3() -> Result<()> {
    if Kvm::open().is_ok() {
        host::skip("it is for hosts without KVM");
        return Ok(());
    }
    let output = doctor()?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.code() == Some(3) && text.contains("BAD"),
        "{text}"
    );
    let vm = TestVm::builder().kernel(&Script::new().pvh());
    vm.run()?.expect_line(3, &["hostel: /dev/kvm"])?;
    Ok(())
}
