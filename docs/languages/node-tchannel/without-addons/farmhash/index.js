// In place of the native addon: farmhash is one of TChannel's optional checksums, and a mesh never asks for it.
'use strict';

exports.fingerprint32 = exports.hash32 = function hash32() {
    throw new Error('this build has no farmhash; use another checksum');
};
