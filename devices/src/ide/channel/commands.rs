//! What a write to the command register does (ATA/ATAPI-6 8).

use super::{Activity, Channel};
use crate::ide::ata::drive::{Drive, Extent};
use crate::ide::ata::spec::{Command, Direction, Way, error, status};

/// Sectors read at once to see whether they can be.
const VERIFY_SECTORS: u32 = 128;

impl Channel {
    pub(super) fn command(&mut self, code: u8) {
        let command = Command::of(code);
        // Only the diagnostic is for both, there or not.
        if !self.selected_is_there() && command != Some(Command::Diagnostic) {
            return;
        }
        let answering = self.answering();
        if self.drives[answering].state.status & status::DRQ != 0 {
            // What was under way is given up.
            self.refuse();
        }
        // The other drive may be at work, since the controller was started after the selection.
        self.stop_dma();
        self.active = answering;
        self.activity = Activity::Idle;
        let state = &mut self.drives[answering].state;
        (state.error, state.interrupt) = (0, false);
        self.update_line();
        match command {
            Some(Command::Data(direction, way, width)) => {
                let extent = self.drive().extent(width);
                self.data_command(direction, way, extent);
            }
            Some(Command::Verify(width)) => {
                let extent = self.drive().extent(width);
                self.verify(extent);
            }
            Some(Command::Identify) => {
                let data = self.drive().identify();
                self.give(&data);
            }
            Some(Command::Diagnostic) => self.diagnostic(),
            Some(command) => self.simple_command(command),
            None => self.fail(error::ABRT),
        }
    }

    /// The active drive.
    pub(super) fn drive(&mut self) -> &mut Drive {
        &mut self.drives[self.active]
    }

    /// Those without data.
    fn simple_command(&mut self, command: Command) {
        let drive = self.drive();
        let good = match command {
            Command::SetGeometry => drive.set_geometry(),
            Command::SetMultiple => drive.set_multiple(),
            Command::SetFeatures => drive.set_features(),
            Command::Flush => drive.flush().is_ok(),
            Command::CheckPower => {
                drive.show_power();
                true
            }
            Command::Standby => drive.stand_by(),
            Command::Idle => {
                drive.state.standby = false;
                true
            }
            Command::Seek => true,
            // It fails by its nature; the others are not here.
            _ => false,
        };
        match good {
            true => self.done(),
            false => self.fail(error::ABRT),
        }
    }

    fn data_command(&mut self, direction: Direction, way: Way, extent: Option<Extent>) {
        let drive = self.drive();
        let most = match way {
            Way::Sectors => 1,
            Way::Multiple => drive.state.multiple.into(),
            Way::Dma => u32::MAX,
        };
        if most == 0 || direction == Direction::Write && !drive.is_writable() {
            return self.fail(error::ABRT);
        }
        let Some(extent) = extent else {
            return self.fail(error::IDNF);
        };
        match (way, direction) {
            (Way::Dma, _) => {
                self.activity = Activity::Dma(direction, extent);
                self.drive().state.status = status::IDLE | status::DRQ;
                self.start_dma();
            }
            (_, Direction::Read) => self.read_block(extent, most),
            (_, Direction::Write) => self.await_block(extent, most),
        }
    }

    fn verify(&mut self, extent: Option<Extent>) {
        let Some(extent) = extent else {
            return self.fail(error::IDNF);
        };
        let mut block = vec![0; VERIFY_SECTORS as usize * 512];
        let mut done = 0;
        while done < extent.count {
            let count = VERIFY_SECTORS.min(extent.count - done);
            let sector = extent.sector + u64::from(done);
            let block = &mut block[..count as usize * 512];
            if let Err(bad) = self.drive().read(sector, block) {
                return self.fail_at(Direction::Read, extent, bad.0);
            }
            done += count;
        }
        self.complete(extent);
    }

    /// Both drives are well, and the first is selected.
    fn diagnostic(&mut self) {
        for drive in &mut self.drives {
            drive.sign();
        }
        (self.active, self.selected) = (0, 0);
        self.interrupt();
    }
}
