//! Exit accounting: how often, how long in userspace, by kind and device.
//!
//! Each vCPU thread writes its own [`ExitStats`]; anyone may read it at any time. There is no
//! lock and no locked instruction: a cell has one writer, and a reader may see an exit's count
//! before its time. Times are time-stamp counter ticks until [`ExitRow`] turns them into ns.

use crate::kvm::ExitKind;
use devices::bus::DeviceId;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Most devices that one VM has, with [`DeviceId::NONE`].
pub const MAX_DEVICES: usize = 64;
/// Eight to a power of two: a percentile is off by at most a sixteenth.
type Buckets = abi::buckets::Buckets<3>;

/// What one vCPU has done. Cells are made at the first exit of their kind.
pub struct ExitStats {
    /// Frequency of the ticks; 0 as long as it is not known.
    tsc_khz: AtomicU32,
    cells: Box<[OnceLock<Box<Histogram>>]>,
}

impl Default for ExitStats {
    fn default() -> Self {
        Self {
            tsc_khz: AtomicU32::new(0),
            cells: (0..ExitKind::COUNT * MAX_DEVICES)
                .map(|_| OnceLock::new())
                .collect(),
        }
    }
}

impl ExitStats {
    /// Says what a tick is.
    pub fn set_frequency(&self, tsc_khz: u32) {
        self.tsc_khz.store(tsc_khz, Ordering::Relaxed);
    }

    /// Counts an exit of so many accesses that took `ticks` in userspace. Only the vCPU's own
    /// thread calls this.
    pub fn record(&self, kind: ExitKind, device: DeviceId, accesses: u64, ticks: u64) {
        let index = kind as usize * MAX_DEVICES + usize::from(device.0) % MAX_DEVICES;
        let cell = self.cells[index].get_or_init(Box::default);
        cell.record(accesses, ticks);
    }

    fn cell(&self, kind: ExitKind, device: usize) -> Option<&Histogram> {
        self.cells[kind as usize * MAX_DEVICES + device]
            .get()
            .map(|cell| &**cell)
    }

    /// Exits so far, of all kinds.
    pub fn total(&self) -> u64 {
        let exits = &self.cells[..ExitKind::EXITS.len() * MAX_DEVICES];
        let cells = exits.iter().filter_map(OnceLock::get);
        cells.map(|cell| cell.count.load(Ordering::Relaxed)).sum()
    }
}

/// Exits of one kind and device: count, accesses, sum of ticks, and log-linear buckets of them.
struct Histogram {
    count: AtomicU64,
    accesses: AtomicU64,
    sum: AtomicU64,
    buckets: [AtomicU64; Buckets::COUNT],
}

impl Default for Histogram {
    fn default() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            count: zero(),
            accesses: zero(),
            sum: zero(),
            buckets: std::array::from_fn(|_| zero()),
        }
    }
}

/// Adds without a locked instruction: there is one writer.
fn add(cell: &AtomicU64, value: u64) {
    cell.store(
        cell.load(Ordering::Relaxed).wrapping_add(value),
        Ordering::Relaxed,
    );
}

impl Histogram {
    fn record(&self, accesses: u64, ticks: u64) {
        add(&self.count, 1);
        add(&self.accesses, accesses);
        add(&self.sum, ticks);
        add(&self.buckets[Buckets::of(ticks)], 1);
    }
}

/// What was counted of one kind and device, over all vCPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Exits, or writes that waited for one.
    pub count: u64,
    /// Accesses to registers: a string instruction's exit has several.
    pub accesses: u64,
    /// Time in userspace.
    pub ns: u64,
}

/// All tallies of a VM at one time, by kind and device.
#[derive(Clone, Debug)]
pub struct Tallies(Vec<Tally>);

impl Tallies {
    /// Those of so many vCPUs now.
    pub fn now(vcpus: &[Arc<ExitStats>]) -> Self {
        let tsc_khz = tsc_khz(vcpus);
        let of_cell = |index: usize| {
            let cells = vcpus.iter().filter_map(|vcpu| vcpu.cells[index].get());
            let cells: Vec<&Histogram> = cells.map(|cell| &**cell).collect();
            Tally {
                count: sum(&cells, |cell| &cell.count),
                accesses: sum(&cells, |cell| &cell.accesses),
                ns: ticks_to_ns(sum(&cells, |cell| &cell.sum), tsc_khz),
            }
        };
        Self((0..ExitKind::COUNT * MAX_DEVICES).map(of_cell).collect())
    }

    /// What has been added since `earlier`, where that is something.
    pub fn since(&self, earlier: &Self) -> Vec<(ExitKind, DeviceId, Tally)> {
        let kinds = ExitKind::EXITS.into_iter().chain([ExitKind::Coalesced]);
        let places = kinds.flat_map(|kind| (0..MAX_DEVICES).map(move |device| (kind, device)));
        let added = places.zip(self.0.iter().zip(&earlier.0));
        let added = added.map(|((kind, device), (now, before))| {
            let tally = Tally {
                count: now.count - before.count,
                accesses: now.accesses - before.accesses,
                ns: now.ns - before.ns,
            };
            // There are no more than fit.
            (kind, DeviceId(device as u8), tally)
        });
        added.filter(|(_, _, tally)| tally.count > 0).collect()
    }
}

/// One line of the table: exits of a kind at a device, over all vCPUs.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct ExitRow {
    /// [`ExitKind::name`].
    pub kind: &'static str,
    /// The device, or `none`.
    pub device: String,
    /// How many.
    pub count: u64,
    /// Time in userspace, all together.
    pub total_ns: u64,
    /// Median time in userspace.
    pub p50_ns: u64,
    /// 99th percentile of it.
    pub p99_ns: u64,
}

/// Sums the vCPUs up: rows of these kinds with at least one exit, most time first. `names` are the
/// devices by [`DeviceId`].
pub fn rows(vcpus: &[Arc<ExitStats>], names: &[String], kinds: &[ExitKind]) -> Vec<ExitRow> {
    let tsc_khz = tsc_khz(vcpus);
    let mut rows: Vec<ExitRow> = kinds
        .iter()
        .flat_map(|&kind| (0..MAX_DEVICES).map(move |device| (kind, device)))
        .filter_map(|(kind, device)| {
            let cells: Vec<_> = vcpus.iter().filter_map(|v| v.cell(kind, device)).collect();
            let name = names
                .get(device)
                .cloned()
                .unwrap_or_else(|| "none".to_owned());
            (!cells.is_empty()).then(|| row(kind, name, &cells, tsc_khz))
        })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.total_ns));
    rows
}

/// Frequency of all vCPUs' ticks, which are the host's.
fn tsc_khz(vcpus: &[Arc<ExitStats>]) -> u32 {
    let all = vcpus.iter().map(|v| v.tsc_khz.load(Ordering::Relaxed));
    all.max().unwrap_or(0)
}

fn sum(cells: &[&Histogram], field: fn(&Histogram) -> &AtomicU64) -> u64 {
    let values = cells.iter().map(|cell| field(cell).load(Ordering::Relaxed));
    values.sum()
}

fn row(kind: ExitKind, device: String, cells: &[&Histogram], tsc_khz: u32) -> ExitRow {
    let mut buckets = vec![0; Buckets::COUNT];
    for cell in cells {
        for (total, bucket) in buckets.iter_mut().zip(&cell.buckets) {
            *total += bucket.load(Ordering::Relaxed);
        }
    }
    let ns = |ticks: u64| ticks_to_ns(ticks, tsc_khz);
    ExitRow {
        kind: kind.name(),
        device,
        count: sum(cells, |cell| &cell.count),
        total_ns: ns(sum(cells, |cell| &cell.sum)),
        p50_ns: ns(percentile(&buckets, 50)),
        p99_ns: ns(percentile(&buckets, 99)),
    }
}

fn percentile(buckets: &[u64], percent: u64) -> u64 {
    let total: u64 = buckets.iter().sum();
    let rank = (total * percent).div_ceil(100).max(1);
    let mut seen = 0;
    let index = buckets.iter().position(|count| {
        seen += count;
        seen >= rank
    });
    index.map_or(0, Buckets::middle)
}

/// Time-stamp counter ticks as nanoseconds.
pub fn ticks_to_ns(ticks: u64, tsc_khz: u32) -> u64 {
    let ns = u128::from(ticks) * 1_000_000 / u128::from(tsc_khz.max(1));
    u64::try_from(ns).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_values_within_a_sixteenth_of_its_middle() {
        for value in (0..200).chain((3..64).map(|bit| (1_u64 << bit) + (1 << (bit - 2)))) {
            let middle = Buckets::middle(Buckets::of(value));
            assert!(
                middle.abs_diff(value) <= value / 16,
                "{value} is counted as {middle}"
            );
        }
        assert_eq!(Buckets::of(u64::MAX), Buckets::COUNT - 1);
    }

    #[test]
    fn rows_sum_over_vcpus_and_name_devices() {
        let (one, two) = (
            Arc::new(ExitStats::default()),
            Arc::new(ExitStats::default()),
        );
        one.set_frequency(1_000_000);
        for _ in 0..99 {
            one.record(ExitKind::PioWrite, DeviceId(1), 1, 1000);
        }
        two.record(ExitKind::PioWrite, DeviceId(1), 256, 1_000_000);
        two.record(ExitKind::MmioRead, DeviceId::NONE, 1, 5);
        two.record(ExitKind::Coalesced, DeviceId(1), 1, 7);
        let names = ["none".to_owned(), "serial".to_owned()];
        let vcpus = [one, two.clone()];
        let late = rows(&vcpus, &names, &[ExitKind::Coalesced]);
        assert_eq!((late.len(), late[0].count), (1, 1));
        let none = Tallies::now(&[]);
        let tallies = Tallies::now(&vcpus).since(&none);
        let tally = Tally {
            count: 100,
            accesses: 99 + 256,
            ns: 99 * 1000 + 1_000_000,
        };
        assert_eq!(tallies[0], (ExitKind::PioWrite, DeviceId(1), tally));
        assert_eq!(tallies.len(), 3);
        let rows = rows(&vcpus, &names, &ExitKind::EXITS);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].device, "serial");
        assert_eq!((rows[0].kind, rows[0].count), ("pio_write", 100));
        assert_eq!(rows[0].total_ns, 99 * 1000 + 1_000_000);
        assert!(rows[0].p50_ns.abs_diff(1000) < 63 && rows[0].p99_ns.abs_diff(1000) < 63);
        assert_eq!((rows[1].device.as_str(), rows[1].count), ("none", 1));
        assert_eq!(two.total(), 2);
    }
}
