CREATE TABLE trips (
    trip_id     TEXT PRIMARY KEY,
    rider_id    TEXT NOT NULL,
    pickup_lat  REAL NOT NULL,
    pickup_lon  REAL NOT NULL,
    dropoff_lat REAL NOT NULL,
    dropoff_lon REAL NOT NULL,
    hour        INTEGER NOT NULL CHECK (hour BETWEEN 0 AND 23),
    fare_cents  INTEGER NOT NULL CHECK (fare_cents >= 0),
    state       INTEGER NOT NULL CHECK (state BETWEEN 1 AND 7),
    changed_at  REAL NOT NULL,           -- seconds since 1970
    driver_id   TEXT,
    charge_id   TEXT,
    released    INTEGER NOT NULL DEFAULT 0 CHECK (released IN (0, 1)),
    CHECK ((state = 6) = (charge_id IS NOT NULL)),
    CHECK (driver_id IS NOT NULL OR state IN (1, 2, 7))
);

-- What the sweep looks for: over and not settled; never started.
CREATE INDEX unsettled_trips ON trips (changed_at) WHERE state = 5 OR (released = 0 AND state IN (6, 7));
CREATE INDEX waiting_trips ON trips (changed_at) WHERE state IN (1, 2, 3);
