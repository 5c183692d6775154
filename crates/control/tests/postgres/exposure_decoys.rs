//! Grants that lead nowhere: nothing of them may be called readable.

use policy::exposure::Class;

pub(crate) struct Decoy {
    pub(crate) role: &'static str,
    pub(crate) setup: &'static [&'static str],
    /// Findings of this class or a worse one are wrong.
    pub(crate) most: Class,
    /// The first major version of PostgreSQL that has it.
    pub(crate) since: u32,
}

impl Decoy {
    pub(crate) const fn since(self, since: u32) -> Self {
        Self { since, ..self }
    }
}

const fn decoy(role: &'static str, setup: &'static [&'static str]) -> Decoy {
    Decoy {
        role,
        setup,
        most: Class::Grantable,
        since: 13,
    }
}

pub(crate) const DECOYS: &[Decoy] = &[
    decoy(
        "x_nologin",
        &[
            "CREATE ROLE x_nologin NOLOGIN; GRANT USAGE ON SCHEMA records TO x_nologin; GRANT SELECT ON records.people TO x_nologin",
        ],
    ),
    decoy(
        "x_limit",
        &["CREATE ROLE x_limit LOGIN CONNECTION LIMIT 0; GRANT readers TO x_limit"],
    ),
    decoy(
        "x_hba",
        &["CREATE ROLE x_hba LOGIN IN ROLE kept_out; GRANT readers TO x_hba"],
    ),
    decoy(
        "x_expired",
        &[
            "CREATE ROLE x_expired LOGIN PASSWORD 'x' VALID UNTIL '2001-01-01' IN ROLE needs_password; GRANT readers TO x_expired",
        ],
    ),
    decoy(
        "x_nopassword",
        &["CREATE ROLE x_nopassword LOGIN IN ROLE needs_password; GRANT readers TO x_nopassword"],
    ),
    decoy(
        "x_usage",
        &[
            "CREATE ROLE x_usage LOGIN; CREATE SCHEMA shut; CREATE VIEW shut.v AS SELECT * FROM records.people; GRANT SELECT ON shut.v TO x_usage",
        ],
    ),
    decoy(
        "x_fnusage",
        &[
            "CREATE ROLE x_fnusage LOGIN; CREATE FUNCTION shut.f() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT name FROM records.people WHERE person_id = 1'; GRANT EXECUTE ON FUNCTION shut.f() TO x_fnusage",
        ],
    ),
    decoy(
        "x_invoker",
        &[
            "CREATE ROLE x_invoker LOGIN; CREATE VIEW open.ix WITH (security_invoker) AS SELECT * FROM records.people; GRANT SELECT ON open.ix TO x_invoker",
        ],
    )
    .since(15),
    decoy(
        "x_badowner",
        &[
            "CREATE ROLE x_badowner LOGIN; CREATE ROLE poor NOLOGIN; CREATE VIEW open.pv AS SELECT * FROM records.people; ALTER VIEW open.pv OWNER TO poor; GRANT SELECT ON open.pv TO x_badowner",
        ],
    ),
    decoy(
        "x_poordefiner",
        &[
            "CREATE ROLE x_poordefiner LOGIN; CREATE FUNCTION open.pd() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT name FROM records.people'; ALTER FUNCTION open.pd() OWNER TO poor; GRANT EXECUTE ON FUNCTION open.pd() TO x_poordefiner",
        ],
    ),
    decoy(
        "x_plainfn",
        &[
            "CREATE ROLE x_plainfn LOGIN; CREATE FUNCTION open.plain() RETURNS SETOF text LANGUAGE sql AS 'SELECT name FROM records.people'; GRANT EXECUTE ON FUNCTION open.plain() TO x_plainfn",
        ],
    ),
    decoy(
        "x_comment",
        &[
            "CREATE ROLE x_comment LOGIN; CREATE FUNCTION open.cm() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT ''records.people'' /* from records.people */ -- from records.people'; GRANT EXECUTE ON FUNCTION open.cm() TO x_comment",
        ],
    ),
    decoy(
        "x_namesake",
        &[
            "CREATE ROLE x_namesake LOGIN; CREATE TABLE open.people (name text); CREATE FUNCTION open.ns() RETURNS SETOF text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'SELECT name FROM open.people'; GRANT SELECT ON open.people TO x_namesake",
        ],
    ),
    decoy(
        "x_bypass",
        &["CREATE ROLE x_bypass LOGIN BYPASSRLS; GRANT USAGE ON SCHEMA records TO x_bypass"],
    ),
    decoy("x_createdb", &["CREATE ROLE x_createdb LOGIN CREATEDB"]),
    decoy(
        "x_signal",
        &["CREATE ROLE x_signal LOGIN; GRANT pg_signal_backend TO x_signal"],
    ),
    decoy(
        "x_trigger",
        &[
            "CREATE ROLE x_trigger LOGIN; CREATE TABLE open.quiet (id int); CREATE FUNCTION work.looks() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS 'BEGIN PERFORM name FROM records.people; RETURN NEW; END'; CREATE TRIGGER looks BEFORE INSERT ON open.quiet FOR EACH ROW EXECUTE FUNCTION work.looks(); GRANT INSERT, SELECT ON open.quiet TO x_trigger",
        ],
    ),
    decoy(
        "x_disabled",
        &[
            "CREATE ROLE x_disabled LOGIN; CREATE TABLE open.off (id int, note text); CREATE TRIGGER fill BEFORE INSERT ON open.off FOR EACH ROW EXECUTE FUNCTION work.fill(); ALTER TABLE open.off DISABLE TRIGGER fill; GRANT INSERT, SELECT ON open.off TO x_disabled",
        ],
    ),
    decoy(
        "x_page",
        &[
            "CREATE ROLE x_page LOGIN; CREATE EXTENSION pageinspect SCHEMA open; GRANT EXECUTE ON FUNCTION open.get_raw_page(text, bigint) TO x_page",
        ],
    )
    .since(14),
    decoy("lookalike", &[]),
];
