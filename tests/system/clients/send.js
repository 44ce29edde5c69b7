// SPDX-License-Identifier: Apache-2.0
// Sends the samples of test_clients.py by one of several libraries:
//     node send.js LIBRARY HOST PORT PREFIX
'use strict';

const [library, host, port, prefix] = process.argv.slice(2);

const makers = {
	'hot-shots': () => new (require('hot-shots'))({host, port: Number(port)}),
	'node-statsd': () => new (require('node-statsd').StatsD)(host, Number(port)),
	'lynx': () => new (require('lynx'))(host, Number(port)),
	'statsd-client': () => new (require('statsd-client'))({host, port: Number(port)}),
};

const client = makers[library]();
const lynx = library === 'lynx'; // its increment takes no amount

for (let i = 1; i <= 50; i++) {
	client.increment(prefix + 'hits');
	client.timing(prefix + 'took', i);
}
client[lynx ? 'count' : 'increment'](prefix + 'hits', 7);
client[lynx ? 'count' : 'decrement'](prefix + 'hits', lynx ? -2 : 2);
client.gauge(prefix + 'level', 42.5);
for (const who of ['ann', 'bob', 'ann'])
	client.set(prefix + 'users', who);

// Each sends by itself, some after a while: whoever runs this ends the input when all is there.
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
