// Asks the pricing service of a mesh for quotes, with Apache Thrift: node client.js HOST:PORT
// Beside Apache's generated code: thrift -r --gen js:node,es6 -out . idl/pricing.thrift
'use strict';

const thrift = require('thrift');
const Pricing = require('./Pricing');
const {QuoteRequest} = require('./pricing_types');

const [, host, port] = process.argv[2].match(/^(.*):(\d+)$/);
// Framed and binary are what a mesh's RPC port speaks beside TChannel. `timeout`: this side's, in milliseconds of silence.
const options = {transport: thrift.TFramedTransport, protocol: thrift.TBinaryProtocol, timeout: 2000};
const connection = thrift.createConnection(host, Number(port), options);
const prices = thrift.createClient(Pricing, connection);

connection.on('error', (error) => {
    throw error;
});

async function main() {
    const quote = await prices.quote(new QuoteRequest({km: 12.5, hour: 9}));
    console.log(`12.5 km: ${quote.fare_cents.toNumber() / 100} CAD`);  // an i64 is an object here
    try {
        await prices.quote(new QuoteRequest());
    } catch (refused) {
        console.log(`refused: ${refused.message}`);
    }
    connection.end();
}

main();
