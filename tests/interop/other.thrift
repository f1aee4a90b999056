// A contract that the servers of these tests do not have: what an old or a wrong caller holds.

namespace py idl.other

service Echo {
  string missing(1: string text) (idempotent = "true", timeout_ms = "2000", sla.p99_ms = "50")
}

service Stranger {
  string touch(1: string text) (idempotent = "true", timeout_ms = "2000", sla.p99_ms = "50")
}
