//! Transfers, through the data port and by the controller.

use super::{Activity, Channel, Pio};
use crate::bus::Width;
use crate::disk::SECTOR_BYTES;
use crate::ide::ata::drive::Extent;
use crate::ide::ata::spec::{Direction, status};
use crate::ide::dma::{DmaEnd, Job};
use crate::virtio::blk::engine::Durability;

impl Channel {
    /// A read of the data port; ones when nothing is to be read.
    pub(super) fn read_data(&mut self, width: Width) -> u32 {
        let bytes = width.bytes();
        let is_mine = self.selected == self.active;
        let Activity::Pio(pio) = &mut self.activity else {
            self.refuse();
            return u32::MAX;
        };
        if pio.direction != Direction::Read || !is_mine {
            self.refuse();
            return u32::MAX;
        }
        let mut value = [0xff; 4];
        let data = pio.block.iter().skip(pio.at).take(bytes);
        value
            .iter_mut()
            .zip(data)
            .for_each(|(to, from)| *to = *from);
        pio.at += bytes;
        if pio.at >= pio.block.len() {
            self.block_is_through();
        }
        u32::from_le_bytes(value)
    }

    /// A write to the data port, lost when nothing is to be written.
    pub(super) fn write_data(&mut self, width: Width, value: u32) {
        let bytes = width.bytes();
        let is_mine = self.selected == self.active;
        let Activity::Pio(pio) = &mut self.activity else {
            return self.refuse();
        };
        if pio.direction != Direction::Write || !is_mine {
            return self.refuse();
        }
        let data = value.to_le_bytes().into_iter().take(bytes);
        let block = pio.block.iter_mut().skip(pio.at);
        block.zip(data).for_each(|(to, from)| *to = from);
        pio.at += bytes;
        if pio.at >= pio.block.len() {
            self.block_is_through();
        }
    }

    fn block_is_through(&mut self) {
        let Activity::Pio(pio) = std::mem::take(&mut self.activity) else {
            return;
        };
        let Some(extent) = pio.extent else {
            // IDENTIFY data have been taken: that is no interrupt.
            self.drive().state.status = status::IDLE;
            return;
        };
        let next = Extent {
            sector: extent.sector + u64::from(extent.count),
            count: pio.left,
            ..extent
        };
        match pio.direction {
            Direction::Read if pio.left > 0 => self.read_block(next, pio.most),
            Direction::Read => {
                // The last block's interrupt has been.
                self.point_at_end(extent);
                self.drive().state.status = status::IDLE;
            }
            Direction::Write => {
                if let Err(bad) = self.drive().write(extent.sector, &pio.block) {
                    return self.fail_at(Direction::Write, extent, bad.0);
                }
                if pio.left == 0 {
                    return self.complete(extent);
                }
                self.await_block(next, pio.most);
                self.interrupt();
            }
        }
    }

    /// Gives what is not on the disk.
    pub(super) fn give(&mut self, data: &[u8]) {
        self.begin_block(Pio {
            direction: Direction::Read,
            block: data.to_vec(),
            at: 0,
            extent: None,
            left: 0,
            most: 1,
        });
        self.interrupt();
    }

    /// Gives the first block of `extent`, of `most` sectors.
    pub(super) fn read_block(&mut self, extent: Extent, most: u32) {
        let mut pio = block_of(Direction::Read, extent, most);
        if let Err(bad) = self.drive().read(extent.sector, &mut pio.block) {
            return self.fail_at(Direction::Read, extent, bad.0);
        }
        self.begin_block(pio);
        self.interrupt();
    }

    /// Takes the first block of `extent`, of `most` sectors.
    pub(super) fn await_block(&mut self, extent: Extent, most: u32) {
        self.begin_block(block_of(Direction::Write, extent, most));
    }

    fn begin_block(&mut self, pio: Pio) {
        self.activity = Activity::Pio(pio);
        self.drive().state.status = status::IDLE | status::DRQ;
    }

    /// All sectors up to the end of `extent` are done.
    pub(super) fn complete(&mut self, extent: Extent) {
        self.point_at_end(extent);
        self.done();
    }

    /// The registers name the last sector, and none are left.
    fn point_at_end(&mut self, extent: Extent) {
        let last = extent.sector + u64::from(extent.count) - 1;
        let drive = self.drive();
        drive.point_at(extent.addressing, last);
        drive.state.registers.count = Default::default();
    }

    /// Begins the transfer by the controller, if there is one and all that it takes.
    pub(in crate::ide) fn start_dma(&mut self) {
        let Activity::Dma(direction, extent) = &self.activity else {
            return;
        };
        let (direction, extent) = (*direction, *extent);
        if self.job_runs || !self.allowed.bus_master || !self.bus_master.is_active() {
            return;
        }
        if self.bus_master.direction() != direction {
            // Each waits for the other.
            return self.refuse();
        }
        let list = self.bus_master.list;
        let drive = self.drive();
        drive.state.status = status::BSY;
        drive.state.standby = false;
        let durability = match drive.state.write_cache {
            true => Durability::Cached,
            false => Durability::Through,
        };
        let job = Job {
            disk: drive.disk().clone(),
            direction,
            sector: extent.sector,
            count: extent.count,
            durability,
            list,
        };
        self.job += 1;
        self.job_runs = true;
        self.dma.start(self.job, job);
    }

    /// The controller was stopped: what it was at cannot be gone on with.
    pub(in crate::ide) fn stop_dma(&mut self) {
        if self.job_runs {
            self.cancel_job();
            self.stall();
        }
    }

    /// The drive waits for a controller that does not come, until it is reset.
    fn stall(&mut self) {
        self.activity = Activity::Idle;
        self.drive().state.status = status::IDLE | status::DRQ;
    }

    /// A job has come to its end, if it is the one that runs.
    pub(in crate::ide) fn dma_has_ended(&mut self, number: u64, end: DmaEnd) {
        if !self.job_runs || number != self.job {
            return;
        }
        self.job_runs = false;
        let Activity::Dma(direction, extent) = self.activity else {
            return;
        };
        match end {
            DmaEnd::Done { list_is_empty } => {
                if list_is_empty {
                    self.bus_master.ended();
                }
                self.complete(extent);
            }
            DmaEnd::Short => {
                self.refuse();
                self.bus_master.ended();
                self.stall();
            }
            DmaEnd::List(error) => {
                log::debug!("IDE: list of regions: {error:?}");
                self.refuse();
                self.bus_master.failed();
                self.stall();
            }
            DmaEnd::Disk(bad) => self.fail_at(direction, extent, bad.0),
        }
    }
}

/// The first block of `extent`.
fn block_of(direction: Direction, extent: Extent, most: u32) -> Pio {
    let count = extent.count.min(most);
    Pio {
        direction,
        // At most 16 sectors.
        block: vec![0; count as usize * SECTOR_BYTES as usize],
        at: 0,
        extent: Some(Extent { count, ..extent }),
        left: extent.count - count,
        most,
    }
}
