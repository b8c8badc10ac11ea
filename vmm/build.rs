//! Builds the guest kernel and its programs, each with its own profile and flags, and lists them
//! for `src/guest.rs` to embed.
//!
//! Both are ordinary binaries for the host's target, without std. The flags below are what makes
//! a kernel image of one: nothing of libc linked, no SSE in ring 0, no red zone under interrupts.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "x86_64-unknown-linux-gnu";

const USER_FLAGS: &[&str] = &[
    "-Crelocation-model=static",
    "-Clink-arg=-nostartfiles",
    "-Clink-arg=-nostdlib",
    "-Clink-arg=-static",
    "-Clink-arg=-Wl,-z,separate-code,-z,max-page-size=4096,--build-id=none",
];

const KERNEL_FLAGS: &[&str] = &[
    "-Crelocation-model=static",
    "-Ccode-model=kernel",
    "-Cno-redzone=yes",
    "-Cforce-frame-pointers=yes",
    "-Ctarget-feature=-sse,-sse2,-mmx,+soft-float",
    "-Clink-arg=-nostartfiles",
    "-Clink-arg=-nostdlib",
    "-Clink-arg=-static",
    "-Clink-arg=-Wl,-z,max-page-size=4096,--build-id=none",
];

fn main() {
    link_statically();
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    let vmm = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let root = vmm.parent().expect("vmm is inside the workspace");
    for path in ["guest", "resources", "Cargo.toml", "vmm/build.rs"] {
        println!("cargo::rerun-if-changed={}", root.join(path).display());
    }

    let script = format!(
        "-Clink-arg=-T{}",
        root.join("resources/kernel.ld").display()
    );
    let kernel_flags: Vec<&str> = KERNEL_FLAGS
        .iter()
        .copied()
        .chain([script.as_str()])
        .collect();
    let kernel = Guest {
        package: "kernel",
        profile: "guest-kernel",
        flags: &kernel_flags,
    };
    let user = Guest {
        package: "user",
        profile: "guest-user",
        flags: USER_FLAGS,
    };
    let kernel_dir = kernel.build(root, &out.join("kernel"));
    let user_dir = user.build(root, &out.join("user"));

    let mut listing = String::new();
    embed(&mut listing, "KERNEL", &kernel_dir.join("kernel"));
    list(
        &mut listing,
        "PROGRAMS",
        &members(&root.join("guest/user/src/bin"), "rs"),
        |name| user_dir.join(name),
    );
    let suites = root.join("resources/suites");
    list(&mut listing, "SUITES", &members(&suites, "suite"), |name| {
        suites.join(name).with_extension("suite")
    });
    let lab = root.join("resources/lab");
    list(
        &mut listing,
        "EXPERIMENTS",
        &members(&lab, "toml"),
        |name| lab.join(name).with_extension("toml"),
    );
    fs::write(out.join("guest.rs"), listing).expect("OUT_DIR is writable");
}

/// Makes `hostel` one static file, which starts 0.4 ms sooner and has 1.2 MiB less resident.
///
/// rustc has `-Ctarget-feature=+crt-static` for that, but cargo takes it from its caller's
/// environment or configuration alone. The same comes of asking the linker, and of putting
/// scripts that name the static libraries before the shared ones that rustc asks for.
fn link_statically() {
    let folder = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("static");
    fs::create_dir_all(&folder).expect("OUT_DIR is writable");
    for (library, archive) in [("c", "libc.a"), ("m", "libm.a"), ("gcc_s", "libgcc_eh.a")] {
        let Some(path) = archive_path(archive) else {
            println!("cargo::warning=no {archive} here: hostel is linked dynamically");
            return;
        };
        let script = folder.join(format!("lib{library}.a"));
        fs::write(script, format!("INPUT({path})\n")).expect("OUT_DIR is writable");
    }
    // An argument, not a search path of cargo's: that would reach every program that uses the
    // library, without the other argument, and such a mixture crashes at its start.
    println!("cargo::rustc-link-arg-bins=-L{}", folder.display());
    println!("cargo::rustc-link-arg-bins=-static-pie");
}

/// Where the C compiler has a library; it answers with the bare name of one that it has not.
fn archive_path(name: &str) -> Option<String> {
    let cc = Command::new("cc")
        .arg(format!("-print-file-name={name}"))
        .output()
        .ok()?;
    let path = String::from_utf8(cc.stdout).ok()?.trim().to_owned();
    (path != name).then_some(path)
}

/// A guest package and how it is built.
struct Guest<'a> {
    package: &'a str,
    profile: &'a str,
    flags: &'a [&'a str],
}

impl Guest<'_> {
    /// Builds it below `target_dir`, which is not the outer cargo's and so not locked by it.
    fn build(&self, root: &Path, target_dir: &Path) -> PathBuf {
        let mut cargo = Command::new(env::var("CARGO").expect("cargo sets CARGO"));
        cargo
            .current_dir(root)
            .args([
                "build",
                "--bins",
                "--package",
                self.package,
                "--features",
                "image",
            ])
            .args([
                "--profile",
                self.profile,
                "--target",
                TARGET,
                "--target-dir",
            ])
            .arg(target_dir)
            .env("CARGO_ENCODED_RUSTFLAGS", self.flags.join("\x1f"));
        // What the outer cargo set for its own units (clippy's wrapper, a bench's profile).
        for name in [
            "RUSTC_WORKSPACE_WRAPPER",
            "RUSTC_WRAPPER",
            "CARGO_BUILD_TARGET",
            "TARGET",
        ] {
            cargo.env_remove(name);
        }
        let status = cargo.status().expect("cargo can be started");
        assert!(
            status.success(),
            "the guest package {} did not build",
            self.package
        );
        target_dir.join(TARGET).join(self.profile)
    }
}

/// Stems of the files of a folder that end in `extension`, sorted.
fn members(folder: &Path, extension: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is part of the tree");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    names
}

fn embed(listing: &mut String, name: &str, file: &Path) {
    writeln!(listing, "static {name}: &[u8] = include_bytes!({file:?});").expect("a string");
}

fn list(listing: &mut String, name: &str, members: &[String], path: impl Fn(&str) -> PathBuf) {
    writeln!(listing, "static {name}: &[(&str, &[u8])] = &[").expect("a string");
    for member in members {
        writeln!(
            listing,
            "    ({member:?}, include_bytes!({:?})),",
            path(member)
        )
        .expect("a string");
    }
    listing.push_str("];\n");
}
