// What every node answers besides its own contract, under its own service's name: TChannel's Meta service. Names, ids
// and the spelling of fields are those of the other TChannel libraries and must stay.

enum HealthState {
  REFUSING = 0
  ACCEPTING = 1
  STOPPING = 2
  STOPPED = 3
}

// PROCESS: is it alive. TRAFFIC: shall calls be sent to it.
enum HealthRequestType {
  PROCESS = 0
  TRAFFIC = 1
}

struct HealthRequest {
  1: optional HealthRequestType type
}

struct HealthStatus {
  1: required bool ok
  2: optional string message
  3: optional HealthState state
}

// The texts of a contract and its includes by relative path, and which of them is the contract.
struct ThriftIDLs {
  1: required map<string, string> idls
  2: required string entryPoint
}

struct VersionInfo {
  1: required string language
  2: required string language_version
  3: required string version
}

// A deprecated method, or a deprecated field in its arguments: `QuoteRequest.km`, `quote(tariff)` for a parameter.
struct DeprecatedThing {
  1: required string method
  2: optional string field
  3: required string reason
}

struct DeprecatedCaller {
  1: required string method
  2: optional string field
  3: required string caller
  4: required i64 calls
  5: required i64 last_seen_ms
}

// What is deprecated, and who used it since then (Unix time): one instance's count, which a restart forgets.
struct DeprecatedUse {
  1: required i64 since_ms
  2: required list<DeprecatedThing> things
  3: required list<DeprecatedCaller> callers
}

service Meta {
  // Older callers send no argument at all: they mean PROCESS.
  HealthStatus health(1: optional HealthRequest hr) (idempotent = "true")
  ThriftIDLs thriftIDL() (idempotent = "true")
  VersionInfo versionInfo() (idempotent = "true")
  // Ours alone: other libraries' peers answer that they do not know it.
  DeprecatedUse deprecatedUse() (idempotent = "true")
} (timeout_ms = "1000", priority = "critical", sla.p99_ms = "100")
