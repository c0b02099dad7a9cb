//! What the layers above are built from. A service calls other services and the ground layer, and nothing
//! above.

mod campaigns;
mod claims;
mod conversations;
mod enrol;
mod failed;
mod look;
mod pace;
mod peers;
mod presence;
mod publish;
mod push;
mod receipts;
mod schedule;
mod unread;
mod webhook;
