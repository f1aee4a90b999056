// Places, shared by every contract of the city.

namespace py idl.geo

// A place on the ground: degrees, WGS 84.
struct Point {
  1: required double lat (min = "-90", max = "90")
  2: required double lon (min = "-180", max = "180")
}
