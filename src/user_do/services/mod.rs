//! What the entries and the work of the object are made of. A service calls others and the ground, never
//! what is above it.

mod conversations;
mod enrol;
mod peers;
mod presence;
mod publish;
mod receipts;
mod schedule;
