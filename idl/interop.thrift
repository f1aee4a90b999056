// A service that answers what it was sent: for tests against other implementations, for measuring and for drills.
// It uses every type of the language once, so that a codec which passes here has met them all.

namespace py idl.interop

enum Colour {
  RED = 1
  GREEN = 2
  BLUE = 4
}

typedef string Tag

// What the benchmarks send: 83 bytes of Thrift with a text of 20 and three items of 8 characters.
struct Sample {
  1: required string text
  2: required i64 number
  3: required list<string> items
}

// Exactly one of them is set.
union Shape {
  1: double radius
  2: Sample sample
  3: string name
}

struct Tree {
  1: required string name
  2: optional list<Tree> children
}

// Every type, required and optional, nested and with defaults.
struct Everything {
  1: required bool flag
  2: required byte tiny
  3: required i16 small
  4: required i32 medium
  5: required i64 large
  6: required double real
  7: required string text
  8: required binary raw
  9: required Colour colour
  10: required Sample sample
  11: required list<i32> numbers
  12: required set<string> words
  13: required map<string, i64> counts
  14: optional Shape shape
  15: optional list<list<Sample>> grid
  16: optional map<Colour, list<Tag>> tags
  17: optional string greeting = "hello"
  18: optional i32 level = 3 (min = "0", max = "10")
  19: optional Tree tree
  20: optional string secret (pii = "true", max_length = "64")
  21: optional string code (pattern = "[A-Z]{3}[0-9]{1,5}")
}

// The caller asked for something that it may not have: an answer, no failure.
exception Refused {
  1: required string message
  2: optional i32 code
} (fault = "caller")

// The service itself is broken and says so.
exception Broken {
  1: required string message
} (fault = "service")

service Echo {
  // Small and cheap: is anybody there.
  string touch(1: string text) (idempotent = "true", timeout_ms = "1000", sla.p99_ms = "50")

  // The call of the benchmarks.
  Sample echo(1: Sample sample) (idempotent = "true", timeout_ms = "1000", sla.p99_ms = "50")

  Everything all(1: Everything everything) (idempotent = "true", sla.p99_ms = "100")

  // For large messages: above one frame, fragments are needed.
  binary blob(1: binary data) (
    idempotent = "true", timeout_ms = "10000", sla.p99_ms = "1000")

  // Answers after `ms` milliseconds, with how long it really took.
  double slow(1: i32 ms) (idempotent = "true", timeout_ms = "5000", sla.p99_ms = "5000")

  // Keeps a plain (not asynchronous) handler's thread for `ms` milliseconds.
  double block(1: i32 ms) (timeout_ms = "5000", sla.p99_ms = "5000")

  // Raises what `kind` names: "refused" and "broken" are declared, anything else is not.
  void fail(1: string kind) throws (1: Refused refused, 2: Broken broken) (timeout_ms = "1000", sla.p99_ms = "50")

  // Counts up by one and answers the new count: a second execution shows.
  i64 tick(1: string counter) (timeout_ms = "1000", sla.p99_ms = "50")

  // The headers that the handler saw; it sends them back as reply headers as well.
  map<string, string> headers() (idempotent = "true", sla.p99_ms = "50")

  void nothing() (idempotent = "true", priority = "batch", sla.p99_ms = "50")

  // Where TChannel is spoken this one cannot be called.
  oneway void forget(1: string text)
} (owner = "mesh", sla.availability = "99.9")
