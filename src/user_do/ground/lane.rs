//! A queue for work that must run one at a time and in order of arrival, although the object handles other
//! events at each await. Whoever runs may wait for D1 for half a minute, so what clients let wait behind it can
//! be bounded, in number and in bytes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use futures::channel::oneshot;

/// The queue. Cloning is cheap; all clones share one queue.
#[derive(Clone, Default)]
pub struct Lane(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    is_taken: bool,
    /// Each with its size in bytes.
    waiting: VecDeque<(oneshot::Sender<Turn>, usize)>,
    /// The sum of these sizes.
    waiting_bytes: usize,
}

/// How much may wait in a lane.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// The number of turns that are waited for.
    pub count: usize,
    /// The memory that is held meanwhile, in bytes.
    pub bytes: usize,
}

impl Inner {
    fn has_room(&self, bytes: usize, bounds: Bounds) -> bool {
        let bytes = self.waiting_bytes.saturating_add(bytes);
        !self.is_taken || (self.waiting.len() < bounds.count && bytes <= bounds.bytes)
    }
}

/// The right to run; dropping it passes it on.
pub struct Turn(Lane);

impl Lane {
    /// Returns whether a turn is held.
    pub fn is_taken(&self) -> bool {
        self.0.borrow().is_taken
    }

    /// Waits for a turn with a request of `bytes` bytes, or returns `None` if too much is waiting.
    pub async fn turn_within(&self, bounds: Bounds, bytes: usize) -> Option<Turn> {
        if !self.0.borrow().has_room(bytes, bounds) {
            return None;
        }
        Some(self.wait(bytes).await)
    }

    /// Waits for a turn, however much is waiting: for work of our own.
    pub async fn turn(&self) -> Turn {
        self.wait(0).await
    }

    async fn wait(&self, bytes: usize) -> Turn {
        loop {
            let receiver = {
                let mut inner = self.0.borrow_mut();
                if !inner.is_taken {
                    inner.is_taken = true;
                    return Turn(self.clone());
                }
                let (sender, receiver) = oneshot::channel();
                inner.waiting.push_back((sender, bytes));
                inner.waiting_bytes += bytes;
                receiver
            };
            if let Ok(turn) = receiver.await {
                return turn;
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut inner = self.0.0.borrow_mut();
            let next = inner.waiting.pop_front();
            inner.is_taken = next.is_some();
            inner.waiting_bytes -= next.as_ref().map_or(0, |(_, bytes)| *bytes);
            next
        };
        // If the receiver has stopped waiting, `send` returns the turn, and dropping that passes it on.
        if let Some((next, _)) = next {
            let _ = next.send(Turn(self.0.clone()));
        }
    }
}
