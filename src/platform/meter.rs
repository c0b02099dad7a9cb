//! What an operation costs: counted where the costs arise, told in the log.

use std::cell::Cell;

/// A count of what was asked of D1 and of other objects.
#[derive(Debug, Default)]
pub struct Meter {
    /// Round trips to D1.
    pub d1_round_trips: Cell<u32>,
    /// Rows written there, as D1 bills them: indexes count.
    pub d1_rows_written: Cell<usize>,
    /// Requests to other objects.
    pub object_requests: Cell<u32>,
}

impl Meter {
    /// A round trip to D1 that has written so many rows.
    pub fn d1(&self, rows_written: usize) {
        self.d1_round_trips.set(self.d1_round_trips.get() + 1);
        self.d1_rows_written
            .set(self.d1_rows_written.get() + rows_written);
    }

    /// A request to another object.
    pub fn object(&self) {
        self.object_requests.set(self.object_requests.get() + 1);
    }
}
