CREATE TABLE drivers (
    driver_id TEXT PRIMARY KEY,
    zone      TEXT NOT NULL,
    lat       REAL NOT NULL,
    lon       REAL NOT NULL,
    cell_lat  INTEGER NOT NULL,
    cell_lon  INTEGER NOT NULL,
    duty      INTEGER NOT NULL,          -- bit h: works in hour h
    trip_id   TEXT UNIQUE                -- the trip that has the driver now
);

CREATE INDEX free_drivers ON drivers (cell_lat, cell_lon) WHERE trip_id IS NULL;

-- One row a trip, kept after it is over: a reservation that comes late must find that.
CREATE TABLE reservations (
    trip_id   TEXT PRIMARY KEY,
    driver_id TEXT REFERENCES drivers (driver_id),
    released  INTEGER NOT NULL DEFAULT 0 CHECK (released IN (0, 1))
);
