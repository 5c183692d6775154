//! Columns of domains: what the catalogs say they come down to, on a real PostgreSQL.

#[cfg(test)]
mod support;

use policy::airlock::reading::SHOWN;
use support::Scratch;

#[test]
fn an_airlock_declares_what_a_domain_comes_down_to() {
    let server = Scratch::start();
    let answer = server.psql(&format!(
        "CREATE SCHEMA s; CREATE DOMAIN s.year AS integer; CREATE DOMAIN s.late AS s.year CHECK (VALUE > 2000);
         CREATE DOMAIN s.money AS numeric(10,2); CREATE DOMAIN s.price AS s.money;
         CREATE TABLE s.t (a s.late, b s.price, c varchar(5), d text COLLATE \"C\");
         SELECT string_agg(x ->> 'type', ' ') FROM json_array_elements(({})) AS x;",
        SHOWN.replace("$1", "'s.t'")
    ));
    assert_eq!(answer.trim(), "integer numeric(10,2) character varying(5) text");
}
