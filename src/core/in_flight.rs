//! The sends in progress: which of their receivers have still to be reached, and who waits for whom.
//!
//! Invariant: a receiver is sent the messages of one sender in the order in which they were accepted, and an
//! accepted send waits for an earlier one only at the receivers that both have in common:
//!
//! - while an earlier send is on its way to a receiver, the later one waits for that answer;
//! - if an earlier send has not reached a receiver, the later one does not try: the outbox delivers both, in
//!   order.
//!
//! This is in memory and dies with the object. The rows of the outbox are as good: an entry of a send that has not
//! begun its fan-out here stands for all of its receivers that may lack their copy ([`OutboxEntry::unreached`]).
//! So a fan-out begins by looking at these ([`InFlight::waiting`]), and a send stays in flight until its row says
//! whom it has not reached.

use std::collections::{HashMap, HashSet, VecDeque};

use uuid::Uuid;

use super::outbox::OutboxEntry;
use super::time::Millis;

/// One receiver's copy of a send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyId {
    /// The send.
    pub send_id: Uuid,
    /// The position of the receiver among those of the fan-out.
    pub index: u32,
}

/// What becomes of a copy that has waited for an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The earlier one has arrived: it is this one's turn.
    Call(CopyId),
    /// The earlier one has not arrived, so this one is left to the outbox.
    Leave(CopyId),
}

/// How a fan-out begins: the positions of the receivers who need not wait for an earlier copy.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Begun {
    /// The receivers to call.
    pub call: Vec<u32>,
    /// The receivers who are left to the outbox.
    pub leave: Vec<u32>,
}

/// What is on its way to one receiver.
#[derive(Debug, Default)]
struct Queue {
    /// The copies that have not arrived, in order. The first one is being delivered.
    copies: VecDeque<CopyId>,
    /// The sends in progress that have not reached the receiver, and do not try any more.
    failed: Vec<Uuid>,
}

/// The sends in progress.
#[derive(Debug, Default)]
pub struct InFlight {
    /// Each send, and whether its fan-out has begun.
    sends: Vec<(Uuid, bool)>,
    /// By receiver.
    queues: HashMap<String, Queue>,
}

impl InFlight {
    /// Notes a send that is about to be committed or resumed. Returns `false` if it is in progress already.
    pub fn claim(&mut self, send_id: Uuid) -> bool {
        let is_new = !self.contains(send_id);
        if is_new {
            self.sends.push((send_id, false));
        }
        is_new
    }

    /// Returns whether the send is in progress.
    pub fn contains(&self, send_id: Uuid) -> bool {
        self.sends.iter().any(|(id, _)| *id == send_id)
    }

    /// Returns any send in progress.
    pub fn any(&self) -> Option<Uuid> {
        self.sends.first().map(|(id, _)| *id)
    }

    /// Returns the receivers who wait for an earlier send that the outbox has to deliver. `open` is what is in the
    /// outbox. The fan-out has to begin before anything else happens.
    pub fn waiting(&self, send_id: Uuid, open: &[(OutboxEntry, Millis)]) -> HashSet<String> {
        let has_begun = |id| self.sends.contains(&(id, true));
        open.iter()
            .map(|(entry, _)| entry)
            .filter(|entry| entry.send_id < send_id && !has_begun(entry.send_id))
            .flat_map(OutboxEntry::unreached)
            .cloned()
            .collect()
    }

    /// Begins the fan-out of a committed send to these receivers, of whom those in `waiting` are left to the
    /// outbox. Further receivers follow by [`Verdict`]s.
    pub fn begin<'a>(
        &mut self,
        send_id: Uuid,
        receiver_ids: impl Iterator<Item = &'a str>,
        waiting: &HashSet<String>,
    ) -> Begun {
        self.forget(send_id);
        self.sends.push((send_id, true));
        let mut begun = Begun::default();
        for (index, receiver_id) in (0..).zip(receiver_ids) {
            let queue = self.queues.entry(receiver_id.to_owned()).or_default();
            let is_behind_failure = queue.failed.iter().any(|failed| *failed < send_id);
            if is_behind_failure || waiting.contains(receiver_id) {
                queue.failed.push(send_id);
                begun.leave.push(index);
                continue;
            }
            if queue.copies.is_empty() {
                begun.call.push(index);
            }
            queue.copies.push_back(CopyId { send_id, index });
        }
        begun
    }

    /// Notes whether the receiver's object has taken the copy. Returns what follows for those behind it.
    pub fn answered(
        &mut self,
        send_id: Uuid,
        receiver_id: &str,
        has_arrived: bool,
    ) -> Vec<Verdict> {
        match self.queues.get_mut(receiver_id) {
            Some(queue) => queue.answered(send_id, has_arrived),
            None => Vec::new(),
        }
    }

    /// Ends a send whose row in the outbox says whom it has not reached. Copies that were never answered count as
    /// not arrived.
    pub fn end(&mut self, send_id: Uuid) -> Vec<Verdict> {
        self.forget(send_id);
        let mut verdicts = Vec::new();
        self.queues.retain(|_, queue| {
            verdicts.append(&mut queue.answered(send_id, false));
            queue.failed.retain(|failed| *failed != send_id);
            !queue.copies.is_empty() || !queue.failed.is_empty()
        });
        verdicts
    }

    fn forget(&mut self, send_id: Uuid) {
        self.sends.retain(|(id, _)| *id != send_id);
    }
}

impl Queue {
    fn answered(&mut self, send_id: Uuid, has_arrived: bool) -> Vec<Verdict> {
        let position = self.copies.iter().position(|copy| copy.send_id == send_id);
        let Some(position) = position else {
            return Vec::new();
        };
        if has_arrived {
            self.copies.remove(position);
            let next = self.copies.front().filter(|_| position == 0);
            return next.map(|next| Verdict::Call(*next)).into_iter().collect();
        }
        let mut left = self.copies.split_off(position);
        self.failed.extend(left.iter().map(|copy| copy.send_id));
        left.pop_front();
        left.into_iter().map(Verdict::Leave).collect()
    }
}

#[cfg(test)]
mod tests;
