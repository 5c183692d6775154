//! `Admin::audit` on a real server: what is open on a new one, what applying leaves, and that the script closes the rest.

use control::{Admin, Audited};
use policy::audit::{By, Grade};
use policy::desired::Desired;
use policy::estate::Estate;

use crate::world::{World, files};

async fn audit(world: &World) -> Audited {
    let url = world.server.url("records");
    let estate = Estate::parse(&files(&url)).unwrap();
    let desired = Desired::new(&estate, "main", &[]);
    Admin::new("main", &url)
        .unwrap()
        .audit(&desired, None)
        .await
        .unwrap()
}

fn told(audited: &Audited) -> Vec<String> {
    let line = |item: &policy::audit::Item| format!("{:?} {:?} {}", item.grade, item.by, item.what);
    audited.items.iter().map(line).collect()
}

#[tokio::test]
async fn what_is_open_before_applying_is_told_and_closed_by_it() {
    let world = World::new().await;
    let before = audit(&world).await;
    for word in [
        "advisory locks",
        "statistics functions",
        "procedural languages",
        "this database",
    ] {
        assert!(
            before
                .items
                .iter()
                .any(|item| item.by == By::Apply && item.what.contains(word)),
            "{word}: {:#?}",
            told(&before)
        );
    }
    assert!(before.items.iter().any(|item| item.grade == Grade::Critical));
    world.control.apply(&[]).await.unwrap();
    let after = audit(&world).await;
    assert!(
        after.items.iter().all(|item| item.by == By::Custodian),
        "{:#?}",
        told(&after)
    );
    assert!(
        after.items.iter().all(|item| item.grade != Grade::Critical),
        "{:#?}",
        told(&after)
    );
}

#[tokio::test]
async fn openings_are_critical_and_the_script_closes_them() {
    let world = World::applied(&[]).await;
    let admin = world.admin().await;
    let openings = "
        create function public.lookup(bigint) returns text language sql security definer
          as 'select name from app.people where id = $1';
        create function public.peek(text) returns boolean language sql immutable leakproof as 'select $1 > ''x''';
        grant create on schema public to public;
        grant usage on schema app to public; grant select (name) on app.people to public;
        create extension dblink schema public;
        create extension pg_stat_statements schema public;
        create extension postgres_fdw schema public;
        grant usage on foreign data wrapper postgres_fdw to public;
        alter database records set app.salt = 'pepper';
        alter role clerk set auto_explain.log_level = 'notice';
        create role copier login replication;
        create publication all_of_it for all tables;
        create function public.on_ddl() returns event_trigger language plpgsql as 'begin end';
        create event trigger watch on ddl_command_end execute function public.on_ddl();
        alter function public.on_ddl() owner to clerk";
    admin.batch_execute(openings).await.unwrap();
    let open = audit(&world).await;
    let all = told(&open).join("\n");
    for (grade, word) in [
        (Grade::Critical, "`public.lookup(bigint)`"),
        (Grade::Critical, "LEAKPROOF"),
        (Grade::Critical, "CREATE in schema `public`"),
        (Grade::Critical, "`app.people`"),
        (Grade::Critical, "`public.dblink_connect(text)`"),
        (Grade::Critical, "`public.pg_stat_statements"),
        (Grade::Critical, "foreign-data wrapper"),
        (Grade::Critical, "auto_explain"),
        (Grade::High, "app.salt"),
        (Grade::High, "event trigger `watch`"),
        (Grade::Medium, "`copier`"),
        (Grade::Medium, "`all_of_it`"),
    ] {
        let stands = |item: &policy::audit::Item| item.grade == grade && item.what.contains(word);
        assert!(open.items.iter().any(stands), "{grade:?} {word} in\n{all}");
    }
    // Nothing is shared beside it.
    let refused = world.control.apply(&[]).await.unwrap_err();
    assert!(refused.remedy().contains("NOT LEAKPROOF"), "{}", refused.remedy());
    // The script runs as it is printed, and leaves nothing that stops applying.
    admin
        .batch_execute(&open.script)
        .await
        .unwrap_or_else(|error| panic!("{error:?}\n{}", open.script));
    let closed = audit(&world).await;
    assert!(
        closed.items.iter().all(|item| item.grade == Grade::Medium),
        "{:#?}",
        told(&closed)
    );
    world.control.apply(&[]).await.unwrap();
}

#[tokio::test]
async fn looking_changes_nothing() {
    let world = World::new().await;
    let count = "select (select count(*) from pg_class) + (select count(*) from pg_proc) + (select count(*) from pg_roles)";
    let admin = world.admin().await;
    let before: i64 = admin.query_one(count, &[]).await.unwrap().get(0);
    audit(&world).await;
    assert_eq!(
        admin.query_one(count, &[]).await.unwrap().get::<_, i64>(0),
        before
    );
}

#[tokio::test]
async fn pg_hba_is_read_by_whom_may_and_told_of_by_whom_may_not() {
    let world = World::applied(&[]).await;
    let hba = world.server.socket().join("data/pg_hba.conf");
    let open = "host all all 0.0.0.0/0 trust\nlocal all postgres trust\nlocal all all scram-sha-256\n";
    std::fs::write(&hba, open).unwrap();
    let told_of = told(&audit(&world).await).join("\n");
    assert!(
        told_of.contains("Critical Custodian line 1 of pg_hba.conf"),
        "{told_of}"
    );
    let pinned = audit(&world).await.items;
    let rules: Vec<String> = pinned.iter().flat_map(|item| &item.rules).cloned().collect();
    assert!(
        rules.iter().any(|line| line.starts_with("local   \"records\"")),
        "{rules:?}"
    );
    // With the lines it names before all others, that is closed: PostgreSQL reads them as they are meant.
    std::fs::write(&hba, format!("{}\n{open}", pinned[0].rules.join("\n"))).unwrap();
    let closed = told(&audit(&world).await).join("\n");
    assert!(!closed.contains("pg_hba"), "{closed}");
    let admin = world.admin().await;
    admin
        .batch_execute("select pg_reload_conf(); set password_encryption = 'scram-sha-256'; create role reader login password 'x'")
        .await
        .unwrap();
    let url = world.server.url("records").replace("postgres@", "reader:x@");
    let desired = Desired::new(&Estate::parse(&files(&url)).unwrap(), "main", &[]);
    admin
        .batch_execute("grant connect on database records to reader")
        .await
        .unwrap();
    let poor = Admin::new("main", &url)
        .unwrap()
        .audit(&desired, None)
        .await
        .unwrap();
    assert!(!poor.superuser);
    assert!(
        told(&poor).join("\n").contains("pg_hba.conf cannot be read"),
        "{:?}",
        told(&poor)
    );
}
