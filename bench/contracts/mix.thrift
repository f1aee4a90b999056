// Twenty methods of the kinds that services have, so that nothing that is kept per method, per struct or per connection
// can live off one and the same call. Nobody runs this but the bench.

namespace py bench.contracts.mix

enum State {
  OPEN = 1
  PAID = 2
  SENT = 3
  CLOSED = 4
}

struct Money {
  1: required i64 cents
  2: required string currency
}

struct Address {
  1: required string street
  2: required string city
  3: optional string region
  4: required string country
}

struct Item {
  1: required string sku
  2: required i32 count (min = "1", max = "1000")
  3: required Money price
  4: optional string note (max_length = "200")
}

struct Order {
  1: required i64 id
  2: required string customer
  3: required State state
  4: required list<Item> items
  5: optional Address address
  6: optional map<string, string> labels
  7: required double weight_kg
}

exception NotFound {
  1: required string what
} (fault = "caller")

exception Conflict {
  1: required string reason
  2: optional State state
} (fault = "caller")

service Mix {
  Order get_order(1: i64 id) throws (1: NotFound missing) (idempotent = "true", sla.p99_ms = "50")
  list<Order> list_orders(1: string customer, 2: i32 limit) (idempotent = "true", sla.p99_ms = "100")
  i64 place(1: Order order) throws (1: Conflict conflict) (sla.p99_ms = "100")
  void cancel_order(1: i64 id, 2: string reason) throws (1: NotFound missing) (idempotent = "true", sla.p99_ms = "50")
  Money total(1: list<Item> items) (idempotent = "true", sla.p99_ms = "50")
  State state_of(1: i64 id) (idempotent = "true", priority = "critical", sla.p99_ms = "20")
  bool exists(1: i64 id) (idempotent = "true", sla.p99_ms = "20")
  map<string, i64> stock(1: list<string> skus) (idempotent = "true", sla.p99_ms = "50")
  Address address_of(1: string customer) throws (1: NotFound missing) (idempotent = "true", sla.p99_ms = "50")
  void set_address(1: string customer, 2: Address address) (idempotent = "true", sla.p99_ms = "50")
  double distance_km(1: double lat, 2: double lon, 3: double to_lat, 4: double to_lon) (idempotent = "true", sla.p99_ms = "20")
  set<string> tags(1: i64 id) (idempotent = "true", sla.p99_ms = "50")
  void label(1: i64 id, 2: map<string, string> labels) (idempotent = "true", priority = "batch", sla.p99_ms = "50")
  binary receipt(1: i64 id) (idempotent = "true", sla.p99_ms = "50")
  string greet(1: string name, 2: string language) (idempotent = "true", sla.p99_ms = "20")
  i64 count_orders(1: string customer) (idempotent = "true", sla.p99_ms = "50")
  list<i64> recent(1: i32 limit) (idempotent = "true", sla.p99_ms = "50")
  Item reprice(1: Item item, 2: double factor) throws (1: Conflict conflict) (sla.p99_ms = "50")
  list<Item> search(1: string words, 2: i32 offset, 3: i32 limit) (idempotent = "true", sla.p99_ms = "100")
  void ping() (idempotent = "true", sla.p99_ms = "20")
} (owner = "mesh", sla.availability = "99.9")
