//! The whole work as a role that is no superuser, made by the script that a superuser runs once; and that each of its rights is needed.

use control::{Admin, ControlError};
use policy::desired::Desired;
use policy::estate::{Estate, Files};

use crate::world::{World, approve, files, investigation, role};

/// The estate with pseudonyms, its upstream by this URL.
fn by(url: &str, files: &mut Files) {
    let estop = files.get_mut("estop.toml").unwrap();
    let old = estop
        .lines()
        .find(|line| line.starts_with("url = "))
        .unwrap()
        .to_owned();
    *estop = estop.replace(&old, &format!("url = \"{url}\""));
    let transit = files.get_mut("agreements/transit-2020.toml").unwrap();
    *transit = transit.replace(
        "mask = { born = \"year\" }",
        "mask = { born = \"year\", id = \"pseudonym\" }",
    );
}

async fn script(world: &World) -> Option<String> {
    let url = world.server.url("records");
    let mut files = files(&url);
    by(&url, &mut files);
    let desired = Desired::new(&Estate::parse(&files).unwrap(), "main", &[]);
    let looked = Admin::new("main", &url)
        .unwrap()
        .audit(&desired, Some("estop_admin"))
        .await;
    looked.unwrap().admin_script
}

/// A world whose control is the admin role, and nothing applied. None: this PostgreSQL needs a superuser.
async fn world() -> Option<World> {
    world_with(&[]).await
}

async fn world_with(settings: &[(&'static str, &'static str)]) -> Option<World> {
    let mut world = World::with(settings).await;
    let script = script(&world).await?;
    let admin = world.admin().await;
    admin
        .batch_execute(&script)
        .await
        .unwrap_or_else(|error| panic!("{error:?}\n{script}"));
    // A second time it does no harm.
    let again = self::script(&world).await.unwrap();
    admin
        .batch_execute(&again)
        .await
        .unwrap_or_else(|error| panic!("{error:?}\n{again}"));
    assert!(!again.contains("REVOKE"), "{again}");
    let password = "set password_encryption = 'scram-sha-256'; alter role estop_admin password 'geheim'";
    admin.batch_execute(password).await.unwrap();
    let url = format!(
        "postgresql://estop_admin:geheim@/records?host={}",
        world.server.socket().display()
    );
    world.restart_with(|files| by(&url, files));
    approve(&world.control).await.unwrap();
    Some(world)
}

#[tokio::test]
async fn shared_changed_found_and_ended_without_a_superuser() {
    let Some(world) = world().await else { return };
    let _gateway = world.gateway("one");
    world.control.apply(&[]).await.unwrap();
    assert_eq!(world.drift().await.steps, []);
    let who = world.admin().await;
    let who = who
        .query_one("select count(*) from pg_roles where rolsuper", &[])
        .await
        .unwrap();
    assert_eq!(who.get::<_, i64>(0), 1, "nobody became a superuser");
    let session = world.log_in(&investigation()).await.unwrap();
    let row = session
        .query_one("select count(*) from people", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 5000);
    let planning = world.log_in(&role("transit-2020", "planning")).await.unwrap();
    let row = planning
        .query_one("select count(distinct id) from people", &[])
        .await
        .unwrap();
    assert_eq!(row.get::<_, i64>(0), 5000, "pseudonyms have their key");

    // Changed behind its back, and put right.
    let superuser = world.admin().await;
    for statement in [
        format!("alter role {} password 'mine'", investigation()),
        format!("grant select on {}.people to clerk", investigation()),
        format!(
            "alter view {}.people set (security_barrier = false)",
            investigation()
        ),
    ] {
        superuser.batch_execute(&statement).await.unwrap();
        let found = world.drift().await;
        assert!(!found.steps.is_empty(), "{statement}");
        world.control.apply(&[]).await.unwrap();
        assert_eq!(world.drift().await.steps, [], "{statement}");
    }

    // Ended: without the right to end sessions it says so, and is taken up with it.
    superuser
        .batch_execute("revoke pg_signal_backend from estop_admin")
        .await
        .unwrap();
    let session = world.log_in(&investigation()).await.unwrap();
    let draft = world.draw_up("police").await;
    let half = world.submit(&draft.text).await.unwrap();
    assert!(!half.complete, "{:?}", half.steps);
    assert!(
        session.simple_query("select 1 from people").await.is_err(),
        "its rights are gone all the same"
    );
    superuser
        .batch_execute("grant pg_signal_backend to estop_admin")
        .await
        .unwrap();
    let done = world.submit(&draft.text).await.unwrap();
    assert!(done.complete, "{:?}", done.steps);
    assert!(session.simple_query("select 1").await.is_err());
    let certificate = world.control.certificate(&draft.number, None).await.unwrap();
    assert!(certificate.contains(draft.number.as_str()));
    assert_eq!(world.drift().await.steps, []);
}

#[tokio::test]
async fn without_any_one_of_its_rights_nothing_is_applied() {
    let Some(world) = world().await else { return };
    let superuser = world.admin().await;
    let version = "select current_setting('server_version_num')::int >= 160000";
    let with: bool = superuser.query_one(version, &[]).await.unwrap().get(0);
    let with = |options: &'static str| if with { options } else { "" };
    let cases = [
        (
            "alter role estop_admin nocreaterole".to_owned(),
            "alter role estop_admin createrole".to_owned(),
        ),
        (
            "revoke estop_owner from estop_admin".to_owned(),
            format!(
                "grant estop_owner to estop_admin{}",
                with(" with inherit true, set true")
            ),
        ),
        (
            "revoke estop_kept from estop_admin".to_owned(),
            "grant estop_kept to estop_admin".to_owned(),
        ),
        (
            "revoke create on database records from estop_admin".to_owned(),
            "grant create on database records to estop_admin".to_owned(),
        ),
        (
            "revoke temporary on database records from estop_admin, estop_kept".to_owned(),
            "grant temporary on database records to estop_admin, estop_kept".to_owned(),
        ),
        (
            "revoke grant option for connect on database records from estop_admin".to_owned(),
            "grant connect on database records to estop_admin with grant option".to_owned(),
        ),
        (
            "revoke set on parameter temp_file_limit from estop_admin".to_owned(),
            "grant set on parameter temp_file_limit to estop_admin".to_owned(),
        ),
        (
            "revoke select on estop_admin.roles from estop_admin".to_owned(),
            "grant select on estop_admin.roles to estop_admin".to_owned(),
        ),
        (
            "revoke usage on schema estop_admin from estop_admin".to_owned(),
            "grant usage on schema estop_admin to estop_admin".to_owned(),
        ),
        (
            "revoke grant option for select (born) on app.people from estop_admin".to_owned(),
            "grant select (born) on app.people to estop_admin with grant option".to_owned(),
        ),
        (
            "revoke usage on schema app from estop_admin".to_owned(),
            "grant usage on schema app to estop_admin with grant option".to_owned(),
        ),
    ];
    for (take, give) in &cases {
        superuser
            .batch_execute(take)
            .await
            .unwrap_or_else(|error| panic!("{take}: {error:?}"));
        let refused = world.control.apply(&[]).await;
        assert!(refused.is_err(), "{take}");
        if let Err(ControlError::Blocked(findings)) = &refused {
            println!("{take}: {}", findings[0].what);
        }
        let made = "select count(*) from pg_roles where rolname ~ '^estop_[0-9a-f]{16}$'";
        let made = superuser.query_one(made, &[]).await.unwrap();
        assert_eq!(made.get::<_, i64>(0), 0, "{take}");
        superuser
            .batch_execute(give)
            .await
            .unwrap_or_else(|error| panic!("{give}: {error:?}"));
    }
    world.control.apply(&[]).await.unwrap();
    assert_eq!(world.drift().await.steps, []);
}

/// Statements and their parameters are logged to a file in the server's own folder.
const LOGGED: [(&str, &str); 4] = [
    ("logging_collector", "on"),
    ("log_directory", "log"),
    ("log_filename", "all"),
    ("log_statement", "all"),
];

/// What comes with the statement that plants a key, in the server's log: lines that show a parameter, and all of them.
fn logged(world: &World) -> (usize, usize) {
    let file = world.server.dir.path().join("data/log/all");
    let log = std::fs::read_to_string(file).unwrap();
    let planted = log
        .lines()
        .filter(|line| line.contains("execute") && line.contains("INSERT INTO"));
    // "Parameters" from 17 on.
    let shown = log.lines().filter(|line| line.contains("arameters: $1 = '\\x"));
    (shown.count(), planted.count())
}

/// The two rights without which the work is done all the same, but with less: keys in the log, and `pg_hba.conf` unread.
#[tokio::test]
async fn without_the_rights_that_can_be_done_without_it_says_what_is_less() {
    for right in ["log_parameter_max_length", "pg_hba_file_rules", ""] {
        let Some(world) = world_with(&LOGGED).await else {
            return;
        };
        let superuser = world.admin().await;
        let take = match right {
            "" => "select".to_owned(),
            "pg_hba_file_rules" => format!("revoke select on {right} from estop_admin"),
            _ => format!("revoke set on parameter {right} from estop_admin"),
        };
        superuser.batch_execute(&take).await.unwrap();
        world.control.apply(&[]).await.unwrap();
        assert_eq!(world.drift().await.steps, [], "{right}");
        let (shown, planted) = logged(&world);
        assert_eq!(planted, 1, "{right}: the key of the pseudonyms");
        assert_eq!(
            shown > 0,
            right == "log_parameter_max_length",
            "{right}: in the log"
        );

        let url = format!(
            "postgresql://estop_admin:geheim@/records?host={}",
            world.server.socket().display()
        );
        let mut files = files(&url);
        by(&url, &mut files);
        let desired = Desired::new(&Estate::parse(&files).unwrap(), "main", &[]);
        let looked = Admin::new("main", &url)
            .unwrap()
            .audit(&desired, None)
            .await
            .unwrap();
        let blind = looked
            .items
            .iter()
            .any(|item| item.what.contains("pg_hba.conf cannot be read"));
        assert_eq!(blind, right == "pg_hba_file_rules", "{right}: {:?}", looked.items);
    }
}
