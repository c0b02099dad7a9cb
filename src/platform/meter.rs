//! The costs of an operation, counted where they arise and written to the log.

use std::cell::Cell;

/// Counts the requests to D1 and to other objects.
#[derive(Debug, Default)]
pub struct Meter {
    /// The number of round trips to D1.
    pub d1_round_trips: Cell<u32>,
    /// The number of rows written to D1, as billed: index rows count.
    pub d1_rows_written: Cell<usize>,
    /// The number of requests to other objects.
    pub object_requests: Cell<u32>,
}

impl Meter {
    /// Counts a round trip to D1 that wrote this many rows.
    pub fn d1(&self, rows_written: usize) {
        self.d1_round_trips.set(self.d1_round_trips.get() + 1);
        self.d1_rows_written
            .set(self.d1_rows_written.get() + rows_written);
    }

    /// Counts a request to another object.
    pub fn object(&self) {
        self.object_requests.set(self.object_requests.get() + 1);
    }
}
