// A pricing service of one tariff, for a mesh to call: node server.js PORT
'use strict';

var path = require('path');
var TChannel = require('tchannel');

var contract = path.join(__dirname, '../../../idl/pricing.thrift');
var server = new TChannel({serviceName: 'pricing'});
var pricing = server.TChannelAsThrift({channel: server, entryPoint: contract});

pricing.register(server, 'Pricing::quote', {}, function quote(context, req, head, body, done) {
    var request = body.request;
    if (request.km === null || request.km === undefined) {
        return done(null, {ok: false, typeName: 'bad_route', head: head, body: {message: 'give km'}});
    }
    return done(null, {ok: true, head: head, body: {
        fare_cents: Math.round(350 + 175 * request.km), currency: 'CAD', km: request.km, surge: 1, hour: 9
    }});
});

server.listen(Number(process.argv[2]), '127.0.0.1', function listening() {
    console.log(server.hostPort);
});
