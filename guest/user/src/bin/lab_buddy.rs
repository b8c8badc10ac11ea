//! Laboratory: the kernel's buddy allocator splits and joins blocks.
//!
//! `kib=N ask=KIB,KIB,...`: so much memory, in units of 1 KiB; each request is served in turn, then all
//! pieces are given back, the first one first. After each step a line says what is free.
#![no_std]
#![no_main]

use memory::allocator::Allocator as _;
use memory::allocator::buddies::Buddies;
use user::alloc::format;
use user::alloc::string::{String, ToString as _};
use user::alloc::vec::Vec;
use user::check::{Check, Failure, Verdict};
use user::ensure;

user::check!(run);

const KIB: usize = 1024;
/// Most that there are lists for: one block of the largest order.
const MOST_KIB: u64 = 1024;

fn free(buddies: &Buddies) -> String {
    let sizes = buddies
        .free_blocks()
        .map(|(bytes, _)| (bytes / KIB).to_string());
    let sizes: Vec<String> = sizes.collect();
    match sizes.is_empty() {
        true => "nothing".into(),
        false => sizes.join(" + "),
    }
}

fn requests(check: &Check) -> Result<Vec<usize>, Failure> {
    let text = check.text("ask")?;
    let numbers = text.split(',').map(|number| number.parse().ok());
    let all: Option<Vec<usize>> = numbers
        .map(|kib| kib.filter(|kib| (1..=MOST_KIB as usize).contains(kib)))
        .collect();
    all.ok_or_else(|| {
        Failure(format!(
            "ask={text} is no list of 1 to {MOST_KIB}, as 21,21"
        ))
    })
}

fn run(check: &mut Check) -> Verdict {
    let kib = check.value("kib")?;
    ensure!(
        (1..=MOST_KIB).contains(&kib),
        "kib={kib} is not from 1 to {MOST_KIB}"
    );
    let mut buddies = Buddies::new(kib as usize * KIB, KIB);
    check.line(&format!("at first free: {}", free(&buddies)))?;
    let (mut pieces, mut refused, mut internal) = (Vec::new(), 0, 0);
    for kib in requests(check)? {
        let Some(place) = buddies.allocate(kib * KIB) else {
            refused += 1;
            check.line(&format!("{kib} KiB: refused; free: {}", free(&buddies)))?;
            continue;
        };
        let granted = buddies.granted(kib * KIB);
        internal += granted - kib * KIB;
        pieces.push((place, kib));
        check.line(&format!(
            "{kib} KiB: {} at {}; free: {}",
            granted / KIB,
            place / KIB,
            free(&buddies)
        ))?;
    }
    check.metric("served", pieces.len() as u64);
    check.metric("refused", refused);
    check.metric("internal_bytes", internal as u64);
    check.metric("blocks", buddies.free_blocks().count() as u64);
    for (place, kib) in pieces {
        buddies.release(place, kib * KIB);
        check.line(&format!("{kib} KiB back; free: {}", free(&buddies)))?;
    }
    check.metric("blocks_after", buddies.free_blocks().count() as u64);
    Ok(())
}
