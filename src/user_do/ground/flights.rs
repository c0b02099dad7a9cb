//! The user's sends in progress. [`core::in_flight`](crate::core::in_flight) decides who may be called, and this makes
//! the calls.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use futures::channel::oneshot;
use uuid::Uuid;

use crate::core::in_flight::{InFlight, Verdict};
use crate::core::outbox::OutboxEntry;
use crate::core::time::Millis;
use crate::platform::objects::Deliveries;

/// The sends in progress.
#[derive(Default)]
pub(crate) struct Flights {
    in_flight: RefCell<InFlight>,
    /// The calls of fan-outs that have begun.
    deliveries: RefCell<HashMap<Uuid, Rc<Deliveries>>>,
    /// Who waits for the end of a send.
    ends: RefCell<Vec<(Uuid, oneshot::Sender<()>)>>,
}

/// A send in progress. Dropping it ends it: by then the outbox must say whom it has not reached.
pub(crate) struct Flight<'a> {
    flights: &'a Flights,
    send_id: Uuid,
}

impl Flights {
    /// Notes a send that is about to be committed or resumed. Returns `None` if it is in progress already.
    pub(crate) fn claim(&self, send_id: Uuid) -> Option<Flight<'_>> {
        let flights = self;
        let is_new = self.in_flight.borrow_mut().claim(send_id);
        is_new.then_some(Flight { flights, send_id })
    }

    pub(crate) fn contains(&self, send_id: Uuid) -> bool {
        self.in_flight.borrow().contains(send_id)
    }

    /// Waits until the send is no longer in progress.
    pub(crate) async fn end_of(&self, send_id: Uuid) {
        if !self.contains(send_id) {
            return;
        }
        let (sender, receiver) = oneshot::channel();
        self.ends.borrow_mut().push((send_id, sender));
        // The sender is dropped, and never sends.
        let _ = receiver.await;
    }

    /// Waits until no send is in progress.
    pub(crate) async fn end_of_all(&self) {
        loop {
            let Some(send_id) = self.in_flight.borrow().any() else {
                return;
            };
            self.end_of(send_id).await;
        }
    }

    fn carry_out(&self, verdicts: Vec<Verdict>) {
        for verdict in verdicts {
            let (Verdict::Call(copy) | Verdict::Leave(copy)) = verdict;
            let deliveries = self.deliveries.borrow().get(&copy.send_id).cloned();
            match (verdict, deliveries) {
                (_, None) => {}
                (Verdict::Call(_), Some(deliveries)) => deliveries.call(&[copy.index]),
                (Verdict::Leave(_), Some(deliveries)) => deliveries.leave(copy.index),
            }
        }
    }
}

impl Flight<'_> {
    /// Begins the fan-out to these receivers: calls those who wait for nothing earlier. `open` is what is in the
    /// outbox.
    pub(crate) fn begin<'a>(
        &self,
        deliveries: Rc<Deliveries>,
        receiver_ids: impl Iterator<Item = &'a str>,
        open: &[(OutboxEntry, Millis)],
    ) {
        let begun = {
            let mut in_flight = self.flights.in_flight.borrow_mut();
            let waiting: HashSet<String> = in_flight.waiting(self.send_id, open);
            in_flight.begin(self.send_id, receiver_ids, &waiting)
        };
        deliveries.call(&begun.call);
        for index in begun.leave {
            deliveries.leave(index);
        }
        let mut all = self.flights.deliveries.borrow_mut();
        all.insert(self.send_id, deliveries);
    }

    /// Notes whether the receiver's object has taken the message, and calls it for whoever waited for that.
    pub(crate) fn answered(&self, receiver_id: &str, has_arrived: bool) {
        let mut in_flight = self.flights.in_flight.borrow_mut();
        let verdicts = in_flight.answered(self.send_id, receiver_id, has_arrived);
        drop(in_flight);
        self.flights.carry_out(verdicts);
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let verdicts = self.flights.in_flight.borrow_mut().end(self.send_id);
        self.flights.deliveries.borrow_mut().remove(&self.send_id);
        self.flights.carry_out(verdicts);
        let mut ends = self.flights.ends.borrow_mut();
        ends.retain(|(send_id, _)| *send_id != self.send_id);
    }
}
