//! Bounds what clients can make the object hold in memory: each request in progress has a permit until its reply.

use std::cell::Cell;
use std::rc::Rc;

/// The permits that are out. Cloning is cheap; all clones share one count.
#[derive(Clone, Default)]
pub struct Permits(Rc<Cell<Load>>);

/// A number of requests, and the memory that they hold, in bytes.
#[derive(Clone, Copy, Default)]
pub struct Load {
    /// The number of requests.
    pub count: usize,
    /// The memory, in bytes.
    pub bytes: usize,
}

/// The right to be held in memory; dropping it returns it.
pub struct Permit {
    permits: Permits,
    bytes: usize,
}

impl Permits {
    /// Returns a permit for a request of `bytes` bytes, or `None` if there would be too much. One request alone is
    /// never too much.
    pub fn take(&self, bytes: usize, max: Load) -> Option<Permit> {
        let load = self.0.get();
        let next = Load {
            count: load.count + 1,
            bytes: load.bytes.saturating_add(bytes),
        };
        if load.count > 0 && (next.count > max.count || next.bytes > max.bytes) {
            return None;
        }
        self.0.set(next);
        Some(Permit {
            permits: self.clone(),
            bytes,
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let load = self.permits.0.get();
        self.permits.0.set(Load {
            count: load.count.saturating_sub(1),
            bytes: load.bytes.saturating_sub(self.bytes),
        });
    }
}
