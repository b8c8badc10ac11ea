//! Laboratory: patterns of threads that do orders ([`orders`]).
//!
//! `handing=queue, direct or special layers=N workers=N work_us=N orders=N [kinds=N]`.
#![no_std]
#![no_main]

use user::alloc::format;
use user::check::{Check, Context as _, Failure, Verdict};
use user::lab::orders::{self, Handing, Shop};
use user::{ensure, sys};

user::check!(run);

/// Threads that a program may have, with room for its own.
const MOST_WORKERS: u64 = 32;

fn run(check: &mut Check) -> Verdict {
    let handing = match check.text("handing")? {
        "queue" => Handing::Queue,
        "direct" => Handing::Direct,
        "special" => Handing::Special,
        other => {
            let text = format!("handing={other} is not queue, direct or special");
            return Err(Failure(text));
        }
    };
    let (layers, workers) = (check.value("layers")?, check.value("workers")?);
    let orders = check.value("orders")?;
    let kinds = check.value_or("kinds", workers)?;
    ensure!(
        (1..=MOST_WORKERS).contains(&layers.saturating_mul(workers)),
        "layers={layers} workers={workers}: 1 to {MOST_WORKERS} threads are possible"
    );
    ensure!(
        handing != Handing::Direct || layers == 1,
        "handing=direct is for one layer"
    );
    ensure!(
        orders > 0 && kinds > 0,
        "orders={orders} kinds={kinds}: 1 or more"
    );
    sys::set_affinity(1).context("affinity to processor 0")?;
    let shop = Shop {
        layers: layers as usize,
        workers: workers as usize,
        work_ns: check.value("work_us")? * 1000,
        handing,
        kinds: kinds as usize,
    };
    let report = orders::run(shop, orders as usize)?;
    check.metric("orders", orders);
    check.metric("total_ns", report.total_ns);
    check.metric("mean_ns", report.mean_ns);
    check.metric("boss_ns", report.boss_ns / orders);
    check.metric("most_by_one", report.most);
    check.line("work on an order is time that passes: a thread sleeps for it")
}
