//! Trains of records that are sent again.

use crate::output::{Path, TRAIN_MAX_DATAGRAMS, TRAIN_MAX_LEN, TrainBatch};

/// Puts records that are sent again into trains.
#[derive(Default)]
pub(super) struct Again {
    bytes: Vec<u8>,
    stride: usize,
    count: usize,
    /// A shorter record ends a train.
    is_full: bool,
}

impl Again {
    pub(super) fn push(&mut self, path: Path, record: &[u8], trains: &mut TrainBatch) {
        let fits = self.count < TRAIN_MAX_DATAGRAMS
            && !self.is_full
            && record.len() <= self.stride
            && self.bytes.len() + record.len() <= TRAIN_MAX_LEN;
        if !fits {
            self.end(path, trains);
        }
        if self.count == 0 {
            self.bytes = trains.lend();
            self.stride = record.len();
            self.is_full = false;
        }
        self.bytes.extend_from_slice(record);
        self.count += 1;
        self.is_full = record.len() < self.stride;
    }

    /// Sends what there is.
    pub(super) fn end(&mut self, path: Path, trains: &mut TrainBatch) {
        if self.count > 0 {
            trains.push(path, self.stride, std::mem::take(&mut self.bytes));
            self.count = 0;
        }
    }
}
