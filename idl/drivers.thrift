// Who drives where. Owns the drivers' positions and reservations: one instance, one database.

namespace py idl.drivers

include "./geo.thrift"

typedef string TripId
typedef string DriverId

struct SupplyRequest {
  1: required geo.Point place
  2: required i32 hour (min = "0", max = "23")
}

// Cars that are expected in a zone at an hour, from a month of observation; `typical` is the city's mean zone.
struct Supply {
  1: required string zone
  2: required double cars (min = "0")
  3: required double typical (min = "0")
}

struct NearestRequest {
  1: required geo.Point place
  2: required i32 hour (min = "0", max = "23")
  3: optional i32 limit = 5 (min = "1", max = "50")
  // Farther drivers do not count.
  4: optional double within_km = 5.0 (min = "0", max = "50")
}

struct Driver {
  1: required DriverId driver_id
  2: required string zone
  3: required geo.Point place
  // From the place that was asked about, as the crow flies.
  4: optional double km
}

struct Reservation {
  1: required TripId trip_id
  2: required Driver driver
}

// The driver is on another trip.
exception DriverTaken {
  1: required string message
  2: required DriverId driver_id
} (fault = "caller")

// The place is too far from every zone of the city.
exception OutOfArea {
  1: required string message
} (fault = "caller")

exception UnknownDriver {
  1: required string message
} (fault = "caller")

// The trip was released before: it is over and gets no driver any more.
exception TripOver {
  1: required string message
} (fault = "caller")

service Drivers {
  Supply supply(1: SupplyRequest request) throws (1: OutOfArea out) (
    idempotent = "true", timeout_ms = "500", sla.p50_ms = "10", sla.p99_ms = "100")

  // Free drivers on duty at that hour, nearest first.
  list<Driver> nearest(1: NearestRequest request) (
    idempotent = "true", timeout_ms = "500", sla.p50_ms = "10", sla.p99_ms = "100")

  // Keeps the driver for the trip. A trip has one driver at most: a repeat answers the one that it has.
  Reservation reserve(
    1: TripId trip_id (pattern = "[A-Za-z0-9_-]{1,64}"),
    2: DriverId driver_id (max_length = "64")
  ) throws (1: DriverTaken taken, 2: UnknownDriver unknown, 3: TripOver over) (
    idempotent = "true", timeout_ms = "1000", sla.p50_ms = "20", sla.p99_ms = "200")

  // The driver that a trip has; absent when it has none.
  list<Reservation> reservation(1: TripId trip_id (pattern = "[A-Za-z0-9_-]{1,64}")) (
    idempotent = "true", timeout_ms = "500", sla.p99_ms = "100")

  // Sets the trip's driver free at `place`, for good. A repeat, and a trip that has none, do no harm.
  void release(
    1: TripId trip_id (pattern = "[A-Za-z0-9_-]{1,64}"),
    2: geo.Point place
  ) (idempotent = "true", timeout_ms = "1000", sla.p50_ms = "20", sla.p99_ms = "200")
} (owner = "supply", sla.availability = "99.9")
