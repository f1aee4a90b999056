struct Stamp { 1: required i64 at_ms, 2: optional string by }
