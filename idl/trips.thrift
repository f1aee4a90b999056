// The life of a trip, and the one place that knows it. One instance, one database.
//
//   REQUESTED -> MATCHED -> STARTED -> FINISHED -> CHARGED
//       |  ^
//       v  |  (asked again)
//   UNMATCHED          REQUESTED, UNMATCHED and MATCHED -> EXPIRED when nothing comes of them for long

namespace py idl.trips

include "./geo.thrift"

enum TripState {
  REQUESTED = 1
  UNMATCHED = 2
  MATCHED = 3
  STARTED = 4
  FINISHED = 5
  CHARGED = 6
  EXPIRED = 7
}

struct TripRequest {
  // Chosen by the caller; a repeat with the same id and content is the same trip.
  1: required string trip_id (pattern = "[A-Za-z0-9_-]{1,64}")
  2: required string rider_id (pii = "true", max_length = "64")
  3: required geo.Point pickup (pii = "true")
  4: required geo.Point dropoff (pii = "true")
  5: required i32 hour (min = "0", max = "23")
  // What the rider agreed to. The trip is made for this fare or not at all.
  6: required i64 fare_cents (min = "0", max = "1000000")
}

struct Trip {
  1: required string trip_id
  2: required TripState state
  3: required i64 fare_cents
  4: optional string driver_id
  5: optional string charge_id
}

exception UnknownTrip {
  1: required string message
} (fault = "caller")

// The trip's state does not allow it.
exception WrongState {
  1: required string message
  2: required TripState state
} (fault = "caller")

// The id stands for another trip.
exception TripConflict {
  1: required string message
} (fault = "caller")

// The fare is not what the rider agreed to; ask again with the new one.
exception FareChanged {
  1: required string message
  2: required i64 fare_cents
} (fault = "caller")

// Nobody can take the trip now. The same request may be repeated later.
exception NoDriver {
  1: required string message
} (fault = "caller")

// No fare can be told for the route.
exception BadRoute {
  1: required string message
} (fault = "caller")

service Trips {
  Trip request(1: TripRequest request) throws (
    1: FareChanged fare, 2: TripConflict conflict, 3: NoDriver none, 4: BadRoute route, 5: WrongState state
  ) (idempotent = "true", timeout_ms = "4000", priority = "critical", sla.p50_ms = "80", sla.p99_ms = "800")

  Trip start(1: string trip_id (pattern = "[A-Za-z0-9_-]{1,64}")) throws (
    1: UnknownTrip unknown, 2: WrongState state
  ) (idempotent = "true", timeout_ms = "2000", sla.p50_ms = "20", sla.p99_ms = "250")

  // Ends the trip, charges it and frees the driver. When the charge cannot be made now the answer says FINISHED, and
  // the charge follows by itself.
  Trip finish(1: string trip_id (pattern = "[A-Za-z0-9_-]{1,64}")) throws (
    1: UnknownTrip unknown, 2: WrongState state
  ) (idempotent = "true", timeout_ms = "4000", priority = "critical", sla.p50_ms = "80", sla.p99_ms = "800")

  Trip get(1: string trip_id (pattern = "[A-Za-z0-9_-]{1,64}")) throws (1: UnknownTrip unknown) (
    idempotent = "true", timeout_ms = "500", sla.p50_ms = "10", sla.p99_ms = "100")
} (owner = "marketplace", sla.availability = "99.9")
