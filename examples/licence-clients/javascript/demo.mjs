// @ts-check
// Tries the licence client out:
//
//     node demo.mjs --server URL --tenant SLUG --product SKU --state FOLDER [options] activate KEY | check | deactivate
//
// KEY may be - to read it from standard input, where no list of processes shows it. What came of it is one JSON document
// on standard output, and the exit code: 0 where the program may run (or the licence is free), 1 where the user must act,
// 3 where the shop has to be asked later.

import fs from 'node:fs';
import {parseArgs} from 'node:util';
import {LicenceClient} from './licence-client.mjs';

const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {
    server: {type: 'string'},
    tenant: {type: 'string'},
    product: {type: 'string'},
    state: {type: 'string'},
    fingerprint: {type: 'string'},
    'device-name': {type: 'string'},
    'trusted-keys': {type: 'string'},
    // To see what time does. A program that is sold has no such option.
    'clock-offset': {type: 'string', default: '0'},
  },
});
const {server, tenant, product, state} = values;
const [command, word] = positionals;
if (!server || !tenant || !product || !state || !['activate', 'check', 'deactivate'].includes(command) || (command === 'activate' && !word)) {
  console.error('usage: node demo.mjs --server URL --tenant SLUG --product SKU --state FOLDER activate KEY | check | deactivate');
  process.exit(2);
}
const offset = Number(values['clock-offset']);
const client = new LicenceClient({
  server,
  tenant,
  productSku: product,
  stateFolder: state,
  fingerprint: values.fingerprint,
  trustedKeys: values['trusted-keys'] ? JSON.parse(fs.readFileSync(values['trusted-keys'], 'utf8')) : undefined,
  clock: () => Date.now() / 1000 + offset,
});
let result;
if (command === 'activate') {
  result = await client.activate(word === '-' ? fs.readFileSync(0, 'utf8') : word, values['device-name']);
} else if (command === 'check') {
  result = await client.check();
} else {
  result = await client.deactivate();
}
const {mayRun, ...shown} = result;
console.log(JSON.stringify(shown));
if (!mayRun && result.outcome !== 'DEACTIVATED') {
  process.exitCode = result.outcome === 'UNREACHABLE' ? 3 : 1;
}
