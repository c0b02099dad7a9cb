-- What users have decided about others (src/core/preferences.rs), as far as a transaction has to know it.

-- Who may see the user's presence, and so how far the user has read.
ALTER TABLE users ADD COLUMN presence TEXT NOT NULL DEFAULT 'everyone'
  CHECK (presence IN ('everyone', 'contacts', 'nobody'));

-- Whose bulk messages and campaigns the user takes.
ALTER TABLE users ADD COLUMN bulk_messages TEXT NOT NULL DEFAULT 'everyone'
  CHECK (bulk_messages IN ('everyone', 'contacts', 'nobody'));
