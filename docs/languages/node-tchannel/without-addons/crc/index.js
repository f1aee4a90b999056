// In place of the native addon: CRC-32C (Castagnoli), reflected polynomial 0x82f63b78, a byte at a time by table.
'use strict';

var TABLE = new Uint32Array(256).map(function remainder(_, byte) {
    for (var bit = 0; bit < 8; bit++) byte = byte & 1 ? 0x82f63b78 ^ (byte >>> 1) : byte >>> 1;
    return byte;
});

exports.calculate = function calculate(buffer, initial) {
    var crc = ~(initial || 0);
    for (var at = 0; at < buffer.length; at++) crc = TABLE[(crc ^ buffer[at]) & 0xff] ^ (crc >>> 8);
    return ~crc >>> 0;
};
