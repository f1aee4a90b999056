// In place of the package that only tchannel's own benchmarks use.
'use strict';
