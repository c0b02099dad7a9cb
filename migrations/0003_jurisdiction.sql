-- Where the objects are. Their ids depend on it, so it must not change.

CREATE TABLE deployment (
  id           INTEGER PRIMARY KEY CHECK (id = 1),
  -- The value of JURISDICTION when the first object was made.
  jurisdiction TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Whoever has users already has their objects.
INSERT INTO deployment SELECT 1, 'none' WHERE EXISTS (SELECT 1 FROM users);
