// npm thrift's server: `node_server.js FORM` prints its port and serves Echo until it is killed.

"use strict";
const thrift = require("thrift");
const Echo = require("./Echo");
const types = require("./interop_types");

const forgotten = [];
const same = (value) => Promise.resolve(value);
const later = (ms) => new Promise((resolve) => setTimeout(() => resolve(ms), ms));
const handler = {
  touch: same,
  echo: same,
  all: same,
  blob: same,
  slow: later,
  block: later,
  fail(kind) {
    if (kind === "refused") return Promise.reject(new types.Refused({ message: "as you asked", code: 7 }));
    if (kind === "broken") return Promise.reject(new types.Broken({ message: "as you asked" }));
    return Promise.reject(new Error(kind));
  },
  tick: (counter) => Promise.resolve(forgotten.filter((text) => text === counter).length),
  headers: () => Promise.resolve({}),
  nothing: () => Promise.resolve(),
  forget: (text) => forgotten.push(text),
};

const form = process.argv[2];
const options = { transport: thrift.TFramedTransport, protocol: thrift.TBinaryProtocol };
let server;
if (form === "multiplexed") {
  const processor = new thrift.MultiplexedProcessor();
  processor.registerProcessor("Echo", new Echo.Processor(handler));
  server = thrift.createMultiplexServer(processor, options);
} else {
  server = thrift.createServer(Echo, handler, options);
}
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
