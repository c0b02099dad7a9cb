//! The object's storage, in its SQLite database.

use crate::core::store::Store;
use crate::platform::object_database::ObjectDatabase;

pub(crate) type Storage = Store<ObjectDatabase>;
