// Every type of the language, for the codec's tests.

include "shared.thrift"

enum Color { RED = 1, GREEN = 2, BLUE = 7, DARK = -3 }
typedef i32 Km
typedef list<Km> Kms

struct Point { 1: required double lat, 2: required double lon }
struct Node { 1: optional Node after, 2: string note, 3: list<Node> children, 4: map<string, Node> named }
struct Nothing {}
union Choice { 1: i32 number, 2: string text, 3: Point point, 4: list<string> words }
exception Broken { 1: required string reason (pii = "true"), 2: i32 code = 7 }
exception Other { 1: i32 code }

struct Scalars {
  1: bool flag, 2: byte tiny, 3: i16 small, 4: i32 middle, 5: i64 big, 6: double real, 7: string text, 8: binary raw
  9: Color color, 10: Km km
}

struct Options {
  1: required i32 id
  2: optional bool flag, 3: optional i16 small, 4: optional i64 big, 5: optional double real
  6: optional string text, 7: optional binary raw, 8: optional Color color, 9: optional list<string> words
  10: optional Point point, 11: i32 middle, 12: optional map<string, i32> counts, 13: required string tail
}

struct Containers {
  1: list<bool> flags, 2: list<byte> tinies, 3: list<i16> smalls, 4: Kms kms, 5: list<i64> bigs, 6: list<double> reals
  7: list<string> words, 8: list<binary> raws, 9: list<Color> colors, 10: list<Point> points
  11: set<i32> int_set, 12: set<string> word_set, 13: set<Color> color_set, 14: set<list<i32>> list_set
  15: set<Point> point_set, 16: set<set<bool>> set_set
  20: map<string, i32> counts, 21: map<i64, list<Point>> routes, 22: map<Color, map<string, binary>> deep_map
  23: map<bool, double> switches, 24: map<list<string>, Nothing> by_list, 25: map<Point, Choice> by_point
  30: list<list<list<i32>>> cube, 31: list<list<list<list<list<list<string>>>>>> sixfold
  32: list<map<string, set<list<Color>>>> mixed, 33: list<shared.Stamp> stamps, 34: list<Nothing> nothings
}

struct Nested {
  1: Scalars scalars, 2: Options options, 3: Choice choice, 4: Node node, 5: Broken broken, 6: shared.Stamp stamp
  7: Nothing nothing
}

struct Defaults {
  1: i32 number = 5, 2: string text = "x", 3: list<i32> numbers = [1, 2], 4: map<string, list<string>> lists = {"a": ["b"]}
  5: Point point = {"lat": 1.5, "lon": 2.5}, 6: Color color = Color.BLUE, 7: optional double real = 3, 8: bool flag = 1
  9: set<string> words = ["w"], 10: binary raw = "raw", 11: optional list<Point> points = [{"lat": 0.5, "lon": 1.0}]
}

struct Bounded {
  1: optional double share (min = "0", max = "1"), 2: optional i32 count (min = "-5"), 3: optional i64 low (max = "10")
  4: optional string code (max_length = "4", pattern = "[A-Z]+"), 5: optional binary raw (max_length = "3")
  6: optional list<i32> few (max_length = "2"), 7: i32 secret (min = "1", max = "9", pii = "true")
  8: optional map<string, i32> pairs (max_length = "1")
}

// The same struct before and after a newer version of its contract.
struct Old { 1: i32 id, 5: string name }
struct New {
  1: i32 id, 2: map<string, list<Node>> extra, 3: binary blob, 4: Choice choice, 5: string name, 6: set<double> reals
  7: list<bool> flags, 8: Nested nested, 9: bool flag, 10: byte tiny, 11: i16 small, 12: i64 big, 13: double real
}

// Names that generated code uses itself.
struct Names { 1: i32 x, 2: list<i32> cls = [1], 3: i32 d, 4: i32 type, 5: i32 FRESH, 6: Point kind, 7: i32 depth, 8: i32 at }

service Echo {
  Nested everything(1: Nested nested, 2: i32 count = 3, 3: required string word) throws (1: Broken broken, 2: Other other)
  void nothing()
  list<Point> points(2: Choice second, 1: Point first)
  void fails() throws (4: Broken broken)
  i32 number()
}
