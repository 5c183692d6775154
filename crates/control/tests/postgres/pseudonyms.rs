//! Pseudonyms end to end: what the partners see, that nothing shows the key to them, and that the key outlives whatever happens to
//! the table.

use control::MaskKey;
use hmac::{Hmac, Mac};
use ledger::register::{Register, SqliteRegister};
use policy::estate::Files;
use sha2::Sha256;
use tokio_postgres::Client;

use crate::world::{World, role};

const VISITS: &str = "
create table app.visits (visit_id bigint primary key, person_id integer not null, note text);
insert into app.visits select i, i, 'note ' || i from generate_series(1, 200) i;
";

/// Two agreements of two partners that show pseudonyms of the same people; one of them from two data sets for two purposes.
fn shared(files: &mut Files) {
    let visits = "[dataset]\nid = \"visits\"\nupstream = \"main\"\nrelation = \"app.visits\"\nsubject_key = \"person_id\"\n\n[columns]\n\
         visit_id = { type = \"bigint\" }\nperson_id = { type = \"integer\" }\nnote = { type = \"text\", optional = true }\n";
    files.insert("datasets/visits.toml".to_owned(), visits.to_owned());
    let mask =
        "columns = [\"id\", \"name\", \"born\"]\nmask = { born = \"year\", id = \"pseudonym:person\" }";
    for path in ["agreements/police-2018.toml", "agreements/transit-2020.toml"] {
        let text = files.get_mut(path).unwrap();
        *text = text.replacen(
            "columns = [\"id\", \"name\", \"born\"]\nmask = { born = \"year\" }",
            mask,
            1,
        );
        assert!(text.contains("pseudonym"));
    }
    let police = files.get_mut("agreements/police-2018.toml").unwrap();
    *police = police.replacen(
        "[limits]",
        "[[share]]\ndataset = \"visits\"\npurposes = [\"audit\"]\ncolumns = [\"visit_id\", \"person_id\", \"note\"]\n\
         mask = { person_id = \"pseudonym:person\", note = \"pseudonym\" }\n\n[limits]",
        1,
    );
}

pub(crate) async fn world() -> World {
    let mut world = World::new().await;
    world.restart_with(shared);
    world.approve().await.unwrap();
    world.admin().await.batch_execute(VISITS).await.unwrap();
    world.control.apply(&[]).await.unwrap();
    world
}

async fn texts(session: &Client, sql: &str) -> Vec<String> {
    let rows = session
        .query(sql, &[])
        .await
        .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    rows.iter().map(|row| row.get(0)).collect()
}

async fn pseudonyms(world: &World, agreement: &str, purpose: &str) -> Vec<String> {
    let session = world.log_in(&role(agreement, purpose)).await.unwrap();
    texts(
        &session,
        "select id from people where name in ('Person 1', 'Person 2') order by name",
    )
    .await
}

fn key(world: &World, agreement: &str) -> Vec<u8> {
    let found = world.register.read(&format!("pseudonym/{agreement}")).unwrap();
    let key: MaskKey = serde_json::from_slice(&found.expect("a key").value).unwrap();
    key.reveal().unwrap().to_vec()
}

/// What an independent implementation of HMAC gives.
fn expected(key: &[u8], message: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(message.as_bytes());
    hex(&mac.finalize().into_bytes()).chars().take(32).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn one_agreement_one_name_for_a_person_and_another_agreement_another() {
    let world = world().await;
    let police = pseudonyms(&world, "police-2018", "investigation").await;
    let key = key(&world, "police-2018");
    assert_eq!(
        police,
        [expected(&key, "person\0n1"), expected(&key, "person\0n2")]
    );
    assert_eq!(pseudonyms(&world, "police-2018", "audit").await, police);
    let transit = pseudonyms(&world, "transit-2020", "planning").await;
    assert!(
        transit
            .iter()
            .all(|name| name.len() == 32 && !police.contains(name))
    );
    // People and their visits meet, although one column is bigint and the other integer.
    let session = world.log_in(&role("police-2018", "audit")).await.unwrap();
    let met = texts(
        &session,
        "select p.name || ' ' || v.visit_id from people p join visits v on v.person_id = p.id where v.visit_id in (7, 8) order by 1",
    )
    .await;
    assert_eq!(met, ["Person 7 7", "Person 8 8"]);
    // Another kind is another name, even of an equal value.
    let note = texts(&session, "select note from visits where visit_id = 1").await;
    assert_eq!(note, [expected(&key, "note\0tnote 1")]);
}

/// Every form in which the key could be written down.
fn forms(key: &[u8]) -> Vec<String> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    let padded = |pad: u8| -> Vec<u8> { key.iter().map(|byte| byte ^ pad).collect() };
    [key.to_vec(), padded(0x36), padded(0x5c)]
        .iter()
        .flat_map(|bytes| {
            let octal: String = bytes.iter().map(|byte| format!("\\{byte:03o}")).collect();
            [
                hex(bytes).chars().take(40).collect(),
                STANDARD_NO_PAD.encode(bytes).chars().take(20).collect(),
                URL_SAFE_NO_PAD.encode(bytes).chars().take(20).collect(),
                octal.chars().take(40).collect::<String>(),
            ]
        })
        .collect()
}

#[tokio::test]
async fn no_catalog_view_function_setting_or_plan_shows_the_key() {
    let world = world().await;
    let admin = world.admin().await;
    admin.batch_execute("analyze").await.unwrap();
    let forms = forms(&key(&world, "police-2018"));
    let found = |text: &str| forms.iter().any(|form| text.contains(form.as_str()));
    // The administrator sees it: the test can fail.
    let planted = texts(&admin, "select k::text from estop_keys.pseudonym k").await;
    assert!(planted.iter().any(|row| found(row)));
    let session = world.log_in(&role("police-2018", "audit")).await.unwrap();
    // Everything that the role can read anywhere, row by row.
    let readable = texts(
        &session,
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where c.relkind in ('r','v','m','p','f','S') and has_schema_privilege(n.oid, 'usage')
           and has_table_privilege(c.oid, 'select') order by 1",
    )
    .await;
    assert!(readable.len() > 100 && !readable.iter().any(|name| name.contains("estop_keys")));
    for relation in &readable {
        for row in texts(&session, &format!("select t::text from {relation} t")).await {
            assert!(!found(&row), "{relation}: {row}");
        }
    }
    // What functions tell of what lies in the catalogs.
    for sql in [
        "select coalesce(string_agg(pg_get_viewdef(c.oid), ' '), '') from pg_class c where relkind = 'v' and relnamespace::regnamespace::text like 'estop%'",
        "select coalesce(string_agg(coalesce(prosrc, ''), ' '), '') from pg_proc",
        "select coalesce(string_agg(name || setting, ' '), '') from pg_settings",
        "select coalesce(string_agg(pg_get_expr(adbin, adrelid), ' '), '') from pg_attrdef",
    ] {
        let text = texts(&session, sql).await.concat();
        assert!(!found(&text), "{sql}");
    }
    for sql in [
        "explain verbose select * from people where id = 'x'",
        "explain (analyze, verbose, format json) select p.id from people p join visits v on v.person_id = p.id",
        "explain (verbose, generic_plan) select id from people",
    ] {
        let Ok(messages) = session.simple_query(sql).await else {
            continue;
        };
        let plan: Vec<String> = messages
            .iter()
            .filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
                _ => None,
            })
            .collect();
        let plan = plan.join("\n");
        assert!(plan.contains("InitPlan"), "{plan}");
        assert!(!found(&plan), "{plan}");
    }
    for sql in [
        "select * from estop_keys.pseudonym",
        "select count(*) from estop_keys.pseudonym",
        "copy estop_keys.pseudonym to stdout",
        "select * from pg_statistic",
        "set role estop_owner",
        "select pg_read_binary_file('base/1/1')",
        "select lo_get(1)",
    ] {
        let error = session.simple_query(sql).await.expect_err(sql);
        assert_eq!(error.code().unwrap().code(), "42501", "{sql}");
    }
    // Nor is there a function to ask for the pseudonym of a value of one's own.
    let ours = texts(
        &session,
        "select p.oid::regprocedure::text from pg_proc p join pg_namespace n on n.oid = p.pronamespace where nspname ~ '^estop'",
    )
    .await;
    assert_eq!(ours, [] as [String; 0]);
    // Nothing of it is in the ledger, nor in a plan that people see.
    for stored in world.ledger.entries(0..world.ledger.size()).unwrap() {
        let record = String::from_utf8(stored.unwrap().record).unwrap();
        assert!(!found(&record));
    }
}

#[tokio::test]
async fn the_key_outlives_what_happens_to_the_table() {
    let mut world = world().await;
    let before = pseudonyms(&world, "police-2018", "investigation").await;
    let transit = pseudonyms(&world, "transit-2020", "planning").await;
    let mine = policy::mask::KeyId::of(&"police-2018".parse().unwrap());
    let cases = [
        format!("delete from estop_keys.pseudonym where id = '{mine}'"),
        "truncate estop_keys.pseudonym".to_owned(),
        "update estop_keys.pseudonym set inner_pad = outer_pad".to_owned(),
        format!("update estop_keys.pseudonym set outer_pad = '\\x' where id = '{mine}'"),
        "insert into estop_keys.pseudonym values ('stray', '', '')".to_owned(),
        "drop table estop_keys.pseudonym cascade".to_owned(),
        "drop schema estop_keys cascade".to_owned(),
        "alter table estop_keys.pseudonym owner to clerk".to_owned(),
        "alter schema estop_keys owner to clerk".to_owned(),
        "grant usage on schema estop_keys to public; grant select on estop_keys.pseudonym to clerk, public"
            .to_owned(),
        format!(
            "grant usage on schema estop_keys to {0}; grant select on estop_keys.pseudonym to {0}",
            role("police-2018", "audit")
        ),
    ];
    for change in &cases {
        world
            .admin()
            .await
            .batch_execute(change)
            .await
            .unwrap_or_else(|error| panic!("{change}: {error}"));
        let drift = world.drift().await;
        assert!(!drift.steps.is_empty(), "{change}");
        assert!(drift.steps.iter().all(|step| !step.words.is_empty()));
        world.control.apply(&[]).await.unwrap();
        assert_eq!(world.drift().await.steps, [], "{change}");
        assert_eq!(
            pseudonyms(&world, "police-2018", "investigation").await,
            before,
            "{change}"
        );
        assert_eq!(
            pseudonyms(&world, "transit-2020", "planning").await,
            transit,
            "{change}"
        );
        world.restart_with(shared);
    }
    let words = |plan: &control::UpstreamPlan| {
        let words: Vec<&str> = plan.steps.iter().map(|step| step.words.as_str()).collect();
        words.join("; ")
    };
    world.admin().await.batch_execute(&cases[0]).await.unwrap();
    // Until it is put right, nobody is named at all.
    let session = world.log_in(&role("police-2018", "audit")).await.unwrap();
    let named = texts(&session, "select count(id)::text from people").await;
    assert_eq!(named, ["0"]);
    let said = words(&world.drift().await);
    assert!(
        said.contains("pseudonyms under `police-2018` have no key"),
        "{said}"
    );
    assert!(!said.contains("transit"), "{said}");
}

#[tokio::test]
async fn a_lost_register_takes_the_planted_key_up_again() {
    let mut world = world().await;
    let before = pseudonyms(&world, "police-2018", "investigation").await;
    let path = world.dir.path().join("second.db");
    world.register = std::sync::Arc::new(SqliteRegister::open(&path).unwrap());
    world.restart_with(shared);
    world.control.apply(&[]).await.unwrap();
    assert_eq!(pseudonyms(&world, "police-2018", "investigation").await, before);
    world
        .admin()
        .await
        .batch_execute("truncate estop_keys.pseudonym")
        .await
        .unwrap();
    world.control.apply(&[]).await.unwrap();
    assert_eq!(pseudonyms(&world, "police-2018", "investigation").await, before);
}

#[tokio::test]
async fn what_stands_in_the_keys_place_blocks() {
    let world = world().await;
    for change in [
        "create table estop_keys.copy as select * from estop_keys.pseudonym",
        "alter table estop_keys.pseudonym add column note text",
        "create function estop_keys.f() returns int language sql as 'select 1'",
    ] {
        let admin = world.admin().await;
        admin.batch_execute(change).await.unwrap();
        let drift = world.drift().await;
        let blocking = drift
            .findings
            .iter()
            .find(|finding| finding.what.contains("estop_keys"));
        let close = &blocking.unwrap_or_else(|| panic!("{change}: {drift:#?}")).close;
        admin.batch_execute(&close.join("; ")).await.unwrap();
        world.control.apply(&[]).await.unwrap();
        assert_eq!(world.drift().await.steps, [], "{change}");
    }
}

#[tokio::test]
async fn a_termination_deletes_the_partners_key_and_no_other() {
    let world = world().await;
    let transit = pseudonyms(&world, "transit-2020", "planning").await;
    let outcome = world.terminate("police").await;
    let said = serde_json::to_string(&outcome).unwrap();
    assert!(said.contains("delete the keys of the pseudonyms"), "{said}");
    let left = texts(&world.admin().await, "select id from estop_keys.pseudonym").await;
    let theirs = policy::mask::KeyId::of(&"transit-2020".parse().unwrap());
    assert_eq!(left, [theirs.to_string()]);
    assert_eq!(pseudonyms(&world, "transit-2020", "planning").await, transit);
    assert_eq!(world.drift().await.steps, []);
}
