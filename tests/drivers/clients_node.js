// node-postgres' cursor and query stream, as its users read long results.
//
// usage: clients_node.js HOST PORT USER PASSWORD DATABASE OPTIONS CA_FILE
//
// Prints `CLIENT<tab>CASE<tab>OUTCOME` for each case; exits with 1 at the first that does not give what it must.
'use strict';
const fs = require('fs');
const assert = require('assert');
const { Client } = require('pg');
const Cursor = require('pg-cursor');
const QueryStream = require('pg-query-stream');

const [host, port, user, password, database, options, ca] = process.argv.slice(2);

function told(what, outcome = 'works') {
  console.log(['node-postgres', what, outcome].join('\t'));
}

async function main() {
  const client = new Client({
    host, port: Number(port), user, password, database, options: options || undefined,
    ssl: { ca: fs.readFileSync(ca, 'utf8'), servername: host },
  });
  await client.connect();
  const counted = (await client.query('select count(*)::int as n from people')).rows[0].n;
  const cursor = client.query(new Cursor('select person_id from people where person_id > $1', [0]));
  let seen = 0;
  for (let rows = await cursor.read(100); rows.length > 0; rows = await cursor.read(100)) seen += rows.length;
  assert.strictEqual(seen, counted);
  await cursor.close();
  told('`pg-cursor`, read to its end');
  const left = client.query(new Cursor('select * from incidents'));
  assert.strictEqual((await left.read(10)).length, 10);
  await left.close();
  assert.strictEqual((await client.query('select 1 as one')).rows[0].one, 1);
  told('`pg-cursor`, closed early');
  let streamed = 0;
  for await (const row of client.query(new QueryStream('select * from people', [], { batchSize: 50 }))) streamed += row ? 1 : 0;
  assert.strictEqual(streamed, counted);
  told('`pg-query-stream`');
  await client.end();
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
