//! Runs a fuzz target for so long, on stable Rust and without a fuzzer; says what it panicked at.
//!
//! `cargo run --release -p devices --features fuzzing --example fuzz -- TARGET SECONDS`

use devices::fuzzing::{TARGETS, smoke};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use std::{panic, process};

fn main() -> Result<(), String> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [name, seconds] = &args[..] else {
        return Err("say a target and for how many seconds".to_owned());
    };
    let found = TARGETS.iter().find(|(target, _)| target == name);
    let names = TARGETS.map(|(name, _)| name).join(", ");
    let (_, target) = found.ok_or_else(|| format!("{name} is none of {names}"))?;
    let seconds = seconds
        .parse()
        .map_err(|error| format!("{seconds}: {error}"))?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let start = now.map_or(1, |now| now.as_nanos() as u64 | 1);
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let mut count = 0_u64;
    // A device's thread may be the one that panics.
    let current = Arc::new(Mutex::new(Vec::new()));
    let shown = current.clone();
    let default = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        default(info);
        let input = shown.lock().unwrap_or_else(PoisonError::into_inner);
        eprintln!("input: {input:02x?}");
        process::exit(1);
    }));
    for input in smoke::inputs(env!("CARGO_MANIFEST_DIR"), name, start) {
        if Instant::now() >= deadline {
            break;
        }
        current.lock().expect("no panic so far").clone_from(&input);
        target(&input);
        count += 1;
    }
    println!("{name}: {count} inputs in {seconds} s");
    Ok(())
}
