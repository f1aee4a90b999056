// Which driver takes which trip. Stateless: who is taken is for `drivers` to say.

namespace py idl.dispatch

include "./geo.thrift"
include "./drivers.thrift"

struct MatchRequest {
  1: required string trip_id (pattern = "[A-Za-z0-9_-]{1,64}")
  2: required geo.Point pickup
  3: required i32 hour (min = "0", max = "23")
}

struct Match {
  1: required string trip_id
  2: required string driver_id
  3: required string zone
  // From the driver to the pickup, as the crow flies.
  4: required double km
}

// Nobody free is near enough at that hour.
exception NoDriver {
  1: required string message
} (fault = "caller")

service Dispatch {
  // The nearest free driver, kept for the trip. A repeat answers the same one.
  Match match(1: MatchRequest request) throws (1: NoDriver none, 2: drivers.TripOver over) (
    idempotent = "true", timeout_ms = "2000", priority = "critical", sla.p50_ms = "40", sla.p99_ms = "400")

  // The trip is over: its driver is free again where the trip ended.
  void release(
    1: string trip_id (pattern = "[A-Za-z0-9_-]{1,64}"),
    2: geo.Point place
  ) (idempotent = "true", timeout_ms = "2000", sla.p50_ms = "30", sla.p99_ms = "300")
} (owner = "marketplace", sla.availability = "99.9")
