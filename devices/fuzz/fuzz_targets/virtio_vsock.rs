//! Runs `devices::fuzzing::virtio_vsock`: `cargo +nightly fuzz run virtio_vsock fuzz/corpus/virtio_vsock fuzz/seeds/virtio_vsock`.
#![no_main]

libfuzzer_sys::fuzz_target!(
    init: {
        // libFuzzer's main does not, as Rust's does; sockets are closed at any time here.
        // SAFETY: ignoring a signal has no precondition.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    },
    |data: &[u8]| devices::fuzzing::virtio_vsock(data)
);
