// Money. Owns the charges: one instance, one database.

namespace py idl.payments

struct ChargeRequest {
  // The key of the charge: a trip is charged once, however often this is asked.
  1: required string trip_id (pattern = "[A-Za-z0-9_-]{1,64}")
  2: required string rider_id (pii = "true", max_length = "64")
  3: required i64 amount_cents (min = "0", max = "1000000")
}

struct Receipt {
  1: required string charge_id
  2: required string trip_id
  3: required i64 amount_cents
  // Whether this very call made the charge; false: it was there before.
  4: required bool fresh
}

// The trip was charged before, with another amount or to another rider. That charge stands.
exception ChargeConflict {
  1: required string message
  2: required i64 charged_cents
} (fault = "caller")

exception NoCharge {
  1: required string message
} (fault = "caller")

service Payments {
  Receipt charge(1: ChargeRequest request) throws (1: ChargeConflict conflict) (
    idempotent = "true", timeout_ms = "2000", priority = "critical", sla.p50_ms = "20", sla.p99_ms = "250")

  Receipt receipt(1: string trip_id (pattern = "[A-Za-z0-9_-]{1,64}")) throws (1: NoCharge none) (
    idempotent = "true", timeout_ms = "500", sla.p99_ms = "100")
} (owner = "money", sla.availability = "99.95")
