// What every TChannel server answers about itself, under each service's own name. Types and ids are TChannel's.

enum HealthState {
  REFUSING = 0
  ACCEPTING = 1
  STOPPING = 2
  STOPPED = 3
}

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

struct ThriftIDLs {
  1: required map<string, string> idls
  2: required string entryPoint
}

struct VersionInfo {
  1: required string language
  2: required string language_version
  3: required string version
}

service Meta {
  HealthStatus health(1: HealthRequest hr) (idempotent = "true", priority = "critical")
  ThriftIDLs thriftIDL() (idempotent = "true")
  VersionInfo versionInfo() (idempotent = "true")
}
