// A partner's work with node-postgres: queries, prepared statements, errors, refusals, many at once.
//
// usage: partner_node.js HOST PORT USER PASSWORD DATABASE OPTIONS CA_FILE
'use strict';
const fs = require('fs');
const assert = require('assert');
const { Client, Pool } = require('pg');

const [host, port, user, password, database, options, ca] = process.argv.slice(2);
const config = {
  host, port: Number(port), user, password, database,
  options: options || undefined,
  ssl: { ca: fs.readFileSync(ca, 'utf8'), servername: host },
};

async function refused(name, code, work) {
  await assert.rejects(work, (error) => {
    assert.strictEqual(error.code, code, `${name}: ${error.message}`);
    return true;
  }, name);
  console.log('ok', name, '->', code);
}

async function main() {
  const client = new Client(config);
  await client.connect();
  const { rows } = await client.query('select count(*)::int as n from people');
  assert.ok(rows[0].n > 0);
  console.log('ok a query');
  for (let i = 0; i < 5; i += 1) {
    const found = await client.query({ name: 'by-id', text: 'select person_id from people where person_id = $1', values: [i] });
    assert.ok(found.rows.length <= 1);
  }
  console.log('ok a prepared statement');
  await refused('EXPLAIN', '42501', () => client.query('explain select * from people'));
  await refused('EXPLAIN, prepared', '42501', () => client.query('explain select $1::int', [1]));
  await refused('a column that is not shared', '42703', () => client.query('select ssn from people'));
  const both = await client.query('select 1 as a; select 2 as b');
  assert.strictEqual(both[1].rows[0].b, 2);
  console.log('ok two statements in one query');
  await client.end();

  const pool = new Pool({ ...config, max: 5 });
  const many = await Promise.all(Array.from({ length: 200 }, (_, i) => pool.query('select $1::int as i', [i])));
  assert.deepStrictEqual(many.map((result) => result.rows[0].i), Array.from({ length: 200 }, (_, i) => i));
  console.log('ok a pool of five, two hundred at once');
  await pool.end();

  await refused('a wrong password', '28P01', () => new Client({ ...config, password: 'wrong' }).connect());
  await refused('an unknown officer', '28P01', () => new Client({ ...config, user: 'nobody' }).connect());
  await refused('an unknown agreement', '28000', () => new Client({ ...config, database: 'no-such' }).connect());
  await refused('no encryption', '28000', () => new Client({ ...config, ssl: false }).connect());
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
