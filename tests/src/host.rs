//! Whether, and on what kind of KVM, the tests can run here.

use std::io::Write;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;
use vmm::doctor::{KvmKind, Probe};
use vmm::kvm::Kvm;

/// Set to 1, it makes a failure of a test that is skipped for want of KVM.
const REQUIRE_KVM: &str = "HOSTEL_REQUIRE_KVM";

/// How many times longer than elsewhere everything may take.
const SLOWNESS: &str = "HOSTEL_SLOWNESS";

/// A time that a test may wait, made longer on a host that is slow.
pub fn patience(time: Duration) -> Duration {
    let slowness = std::env::var(SLOWNESS).ok();
    let factor = slowness.and_then(|text| text.parse().ok());
    time * factor.unwrap_or(1).max(1)
}

/// Returns from the test when there is no usable KVM, having said so in one line.
#[macro_export]
macro_rules! require_kvm {
    () => {
        if !$crate::host::has_kvm() {
            return Ok(());
        }
    };
}

/// Whether the test can run; if not, says why.
///
/// # Panics
/// When it cannot and `HOSTEL_REQUIRE_KVM` is 1.
pub fn has_kvm() -> bool {
    let Err(error) = Kvm::open() else {
        return true;
    };
    let required = std::env::var(REQUIRE_KVM).is_ok_and(|value| value == "1");
    assert!(!required, "{REQUIRE_KVM} is 1, but {error}");
    skip(&error.to_string());
    false
}

/// Says in one line that the running test is skipped, past the capture of output.
pub fn skip(why: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("test");
    let why = why.lines().next().unwrap_or("");
    // Nobody reads it: nothing to do.
    let _ = writeln!(std::io::stderr(), "skipped {test}: {why}");
}

/// The kind of this host's KVM.
///
/// # Panics
/// When it cannot be probed: the tests that ask have opened it before.
pub fn kvm_kind() -> KvmKind {
    static KIND: OnceLock<KvmKind> = OnceLock::new();
    *KIND.get_or_init(|| {
        let kvm = Kvm::open().expect("KVM was there before");
        Probe::kind_only(&kvm).expect("KVM runs a guest").kind()
    })
}

/// Whether KVM is of that kind; if not, says that the test is for that kind alone.
pub fn is_kind(kind: KvmKind) -> bool {
    let matches = kvm_kind() == kind;
    if !matches {
        skip(&format!("it is for {kind:?} KVM alone"));
    }
    matches
}
