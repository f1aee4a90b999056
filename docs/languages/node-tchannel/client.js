// Asks the pricing service of a mesh for quotes, over TChannel: node client.js HOST:PORT
'use strict';

var path = require('path');
var TChannel = require('tchannel');

var contract = path.join(__dirname, '../../../idl/pricing.thrift');
var root = new TChannel();
var channel = root.makeSubChannel({serviceName: 'pricing', peers: [process.argv[2]]});
var pricing = root.TChannelAsThrift({channel: channel, entryPoint: contract});

// `timeout` (milliseconds) is the call's deadline, on both sides; `cn` is who calls. `hasNoParent`: a call of its own.
function quote(request, done) {
    pricing.request({
        serviceName: 'pricing',
        timeout: 2000,
        headers: {cn: 'node-tchannel'},
        hasNoParent: true
    }).send('Pricing::quote', {'x-from': 'node'}, {request: request}, done);
}

quote({km: 12.5, hour: 9}, function answered(error, answer) {
    if (error) throw error;  // error.type says which: tchannel.timeout, tchannel.bad-request ...
    console.log('12.5 km: ' + answer.body.fare_cents.readInt32BE(4) / 100 + ' CAD');  // an i64 is 8 bytes here

    quote({}, function refused(error, answer) {
        if (error) throw error;
        // An exception that the contract declares is an answer with `ok` false.
        console.log((answer.ok ? 'quoted: ' : 'refused: ') + answer.body.message);
        root.close();
    });
});
