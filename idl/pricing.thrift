// What a trip costs. Stateless: the same question in the same hour has the same answer, so a quote needs no storage
// and can be asked again when the trip is requested.

namespace py idl.pricing

include "./geo.thrift"

enum Currency {
  CAD = 1
}

// Either `stops` (first is the pickup, last the dropoff; distance as the crow flies from stop to stop) or `km` alone.
// A distance without a place has no supply to look at, so its surge is 1.
struct QuoteRequest {
  1: optional double km (min = "0", max = "300")
  2: optional list<geo.Point> stops (max_length = "10")
  // Hour of the day in the city, 0-23; the present hour when absent.
  3: optional i32 hour (min = "0", max = "23")
}

struct Quote {
  1: required i64 fare_cents (min = "0")
  2: required Currency currency
  3: required double km
  // 1.0 is the ordinary price.
  4: required double surge (min = "1")
  // The zone of the pickup; absent when the question had no place.
  5: optional string zone
  6: required i32 hour (min = "0", max = "23")
}

// The question has no distance: neither `km` nor two stops, or both at once, or too long a route.
exception BadRoute {
  1: required string message
} (fault = "caller")

service Pricing {
  Quote quote(1: QuoteRequest request) throws (1: BadRoute bad_route) (
    idempotent = "true", timeout_ms = "1000", sla.p50_ms = "20", sla.p99_ms = "200")
} (owner = "marketplace", sla.availability = "99.9")
