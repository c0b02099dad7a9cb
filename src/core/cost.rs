//! What a user's requests cost: calls of other users' objects, and queries of D1, which all users share.
//!
//! Invariant: in the long run no user causes more of either than the configured rates, however few requests that
//! takes: a status query may name hundreds of users. A refused request costs nothing.
//!
//! The buckets are in the memory of the user's object, so counting costs no write. An object loses its memory
//! after ten seconds without an event, and in this time the buckets fill up anyway ([`Rate::in_memory`]).

use super::error::EventError;
use super::limits::{Bucket, Rate};
use super::time::Millis;

/// What a request costs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// The number of calls of other users' objects.
    pub objects: u32,
    /// The number of queries or batches that D1 runs.
    pub queries: u32,
}

impl Cost {
    /// One query of D1.
    pub const QUERY: Self = Self::new(0, 1);

    /// One call of another user's object.
    pub const OBJECT: Self = Self::new(1, 0);

    /// Returns the cost of so many calls and queries.
    pub const fn new(objects: u32, queries: u32) -> Self {
        Self { objects, queries }
    }

    /// Returns the cost of so many calls and queries.
    pub fn of(objects: usize, queries: usize) -> Self {
        let count = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Self::new(count(objects), count(queries))
    }
}

/// How much the requests of one user may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CostRates {
    /// `MAX_OBJECTS_PER_SECOND`
    pub objects: Rate,
    /// `MAX_QUERIES_PER_SECOND`
    pub queries: Rate,
}

impl CostRates {
    /// Returns how many calls of other users' objects may be paid for at once.
    pub fn objects_at_once(&self) -> usize {
        match self.objects {
            Rate::UNLIMITED => usize::MAX,
            rate => usize::try_from(rate.burst).unwrap_or(usize::MAX).max(1),
        }
    }
}

/// What the requests of one user have cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spending {
    objects: Bucket,
    queries: Bucket,
}

impl Spending {
    /// Counts the cost of a request, or refuses it.
    pub fn pay(&mut self, cost: Cost, rates: CostRates, now: Millis) -> Result<(), EventError> {
        let mut after = *self;
        let objects = after.objects.take_many(cost.objects, rates.objects, now);
        let queries = after.queries.take_many(cost.queries, rates.queries, now);
        let pause = objects.err().max(queries.err());
        if let Some(pause) = pause {
            let message = "Your requests cost too much, please wait";
            return Err(EventError::rate_limited(message, pause));
        }
        *self = after;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;
    const RATES: CostRates = CostRates {
        objects: Rate {
            burst: 100,
            pause_us: 100_000,
        },
        queries: Rate {
            burst: 2,
            pause_us: 1_000_000,
        },
    };

    fn pause(spending: &mut Spending, cost: Cost, now: Millis) -> Option<Millis> {
        let paid = spending.pay(cost, RATES, now);
        paid.err().and_then(|error| error.retry_after_ms)
    }

    #[test]
    fn each_cost_has_its_own_limit() {
        let mut spending = Spending::default();
        assert_eq!(pause(&mut spending, Cost::new(100, 0), NOW), None);
        assert_eq!(pause(&mut spending, Cost::OBJECT, NOW), Some(100));
        assert_eq!(pause(&mut spending, Cost::new(0, 2), NOW), None);
        assert_eq!(pause(&mut spending, Cost::QUERY, NOW), Some(1_000));
        assert_eq!(pause(&mut spending, Cost::new(1, 1), NOW), Some(1_000));
    }

    #[test]
    fn what_may_be_paid_for_at_once_is_paid_for_by_a_full_bucket() {
        let at_once = u32::try_from(RATES.objects_at_once()).unwrap();
        let mut spending = Spending::default();
        assert_eq!(pause(&mut spending, Cost::new(at_once, 0), NOW), None);
        // It owes nothing.
        assert_eq!(pause(&mut spending, Cost::OBJECT, NOW + 100), None);
        let unlimited = CostRates {
            objects: Rate::UNLIMITED,
            ..RATES
        };
        assert_eq!(unlimited.objects_at_once(), usize::MAX);
    }

    #[test]
    fn a_refused_request_costs_nothing() {
        let mut spending = Spending::default();
        assert_eq!(pause(&mut spending, Cost::new(0, 2), NOW), None);
        for _ in 0..9 {
            assert_eq!(pause(&mut spending, Cost::new(90, 1), NOW), Some(1_000));
        }
        assert_eq!(pause(&mut spending, Cost::new(100, 0), NOW), None);
        assert_eq!(pause(&mut spending, Cost::QUERY, NOW + 1_000), None);
    }

    #[test]
    fn losing_the_memory_of_an_idle_object_changes_nothing() {
        let rates = CostRates {
            objects: Rate::in_memory(7),
            queries: Rate::UNLIMITED,
        };
        let mut spending = Spending::default();
        assert_eq!(spending.pay(Cost::new(70, 9), rates, NOW), Ok(()));
        assert!(spending.pay(Cost::OBJECT, rates, NOW).is_err());
        let later = NOW + 10_000;
        assert_eq!(spending.pay(Cost::new(70, 9), rates, later), Ok(()));
    }
}
