-- A trip has one charge: the key says it, whatever the code does.
CREATE TABLE charges (
    trip_id      TEXT PRIMARY KEY,
    charge_id    TEXT NOT NULL UNIQUE,
    rider_id     TEXT NOT NULL,
    amount_cents INTEGER NOT NULL CHECK (amount_cents >= 0)
);
