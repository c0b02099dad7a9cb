//! What follows an event: clients that read too slowly are dealt with, and the alarm is set.

use crate::user_do::UserObject;

impl UserObject {
    /// Called at the end of each entry point but the alarm, which has an outcome to report.
    pub(crate) async fn end_event(&self) {
        self.tend_slow_clients();
        self.schedule_if_needed().await;
    }
}
