//! A queue for work that must run one at a time and in order of arrival, although the object handles other
//! events at each await.

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
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// The right to run; dropping it passes it on.
pub struct Turn(Lane);

impl Lane {
    /// Waits for a turn.
    pub async fn turn(&self) -> Turn {
        loop {
            let receiver = {
                let mut inner = self.0.borrow_mut();
                if !inner.is_taken {
                    inner.is_taken = true;
                    return Turn(self.clone());
                }
                let (sender, receiver) = oneshot::channel();
                inner.waiting.push_back(sender);
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
            next
        };
        // If the receiver has stopped waiting, `send` returns the turn, and dropping that passes it on.
        if let Some(next) = next {
            let _ = next.send(Turn(self.0.clone()));
        }
    }
}
