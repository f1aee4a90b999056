// npm thrift's client against a server: `node_client.js HOST PORT FORM`. Exits 1 at the first thing that is wrong.

"use strict";
const assert = require("assert");
const thrift = require("thrift");
const Int64 = require("node-int64");
const Echo = require("./Echo");
const types = require("./interop_types");
const OtherEcho = require("./other/Echo");
const Stranger = require("./other/Stranger");

const [host, port, form] = process.argv.slice(2);
const MEGABYTE = Buffer.alloc(1024 * 1024, "0123456789abcdef");

function open(service, name = "Echo") {
  const options = { transport: thrift.TFramedTransport, protocol: thrift.TBinaryProtocol };
  const connection = thrift.createConnection(host, Number(port), options);
  connection.on("error", (error) => {
    console.error(error);
    process.exit(1);
  });
  const client =
    form === "multiplexed"
      ? new thrift.Multiplexer().createClient(name, service, connection)
      : thrift.createClient(service, connection);
  return [client, connection];
}

const sample = (number = 1) => new types.Sample({ text: "häuser", number: new Int64(number), items: ["a", "", "ß"] });

function minimal() {
  return new types.Everything({
    flag: false, tiny: -128, small: -32768, medium: -2147483648, large: new Int64("8000000000000000"), real: -0.5,
    text: "", raw: Buffer.alloc(0), colour: types.Colour.RED, sample: sample(), numbers: [], words: [], counts: {},
  });
}

function full() {
  const tree = new types.Tree({ name: "root", children: [new types.Tree({ name: "leaf", children: [] })] });
  return new types.Everything({
    flag: true, tiny: 127, small: 32767, medium: 2147483647, large: new Int64("7fffffffffffffff"), real: 1.5e300,
    text: "日本 text", raw: Buffer.from([0, 1, 254, 255]), colour: types.Colour.BLUE, sample: sample(),
    numbers: [1, -1, 0], words: ["x", "y"], counts: { a: new Int64(1), b: new Int64(2 ** 40) },
    shape: new types.Shape({ sample: sample(7) }), grid: [[sample(1)], [], [sample(2), sample(3)]],
    tags: { [types.Colour.GREEN]: ["t1", "t2"] }, greeting: "hi", level: 10, tree, secret: "s", code: "ABC12",
  });
}

// Int64 objects compare by their text; the rest as it is. Sets have no order on the wire.
const plain = (value) =>
  JSON.stringify(value, (key, inner) => {
    if (key === "words") return [...inner].sort();
    return inner && inner.buffer && inner.offset !== undefined ? inner.toString() : inner;
  });

async function failure(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

async function main() {
  const [client, connection] = open(Echo);
  assert.strictEqual(await client.touch("grüße"), "grüße");
  assert.strictEqual(plain(await client.echo(sample())), plain(sample()));
  for (const everything of [minimal(), full()]) {
    assert.strictEqual(plain(await client.all(everything)), plain(everything));
  }
  assert(MEGABYTE.equals(await client.blob(MEGABYTE)));
  await client.nothing();
  const refused = await failure(client.fail("refused"));
  assert(refused instanceof types.Refused, String(refused));
  assert.strictEqual(refused.message, "as you asked");
  assert((await failure(client.fail("broken"))) instanceof types.Broken);
  const undeclared = await failure(client.fail("anything"));
  assert.strictEqual(undeclared.name, "TApplicationException");
  assert.strictEqual(undeclared.type, 6);
  client.forget("no answer");
  assert.strictEqual(await client.touch("after a oneway call"), "after a oneway call");

  // All at once over one connection, the slowest first.
  const slow = client.slow(200);
  const many = Array.from({ length: 100 }, (_, number) => client.touch(String(number)));
  assert.deepStrictEqual(await Promise.all(many), Array.from({ length: 100 }, (_, number) => String(number)));
  assert((await slow) >= 200);

  // And over a connection each.
  await Promise.all(
    Array.from({ length: 100 }, async (_, number) => {
      const [one, its] = open(Echo);
      assert((await one.slow(20)) >= 20);
      assert.strictEqual(await one.touch(String(number)), String(number));
      its.end();
    }),
  );

  const [other, third] = open(OtherEcho);
  const unknown = await failure(other.missing("x"));
  assert.strictEqual(unknown.type, 1, String(unknown));
  third.end();
  if (form === "multiplexed") {
    const [stranger, fourth] = open(Stranger, "Stranger");
    const none = await failure(stranger.touch("x"));
    assert.strictEqual(none.type, 1, String(none));
    fourth.end();
  }
  connection.end();
  console.log("ok");
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
