//! Tampering, row by row: for each kind of change behind our back, whether `drift` finds it, what it says of it, and that
//! nothing of it is left once it is undone. Beside it: what is no drift.

use policy::plan::{Difference, Effect};

use crate::world::{World, investigation};

mod around;
mod base;
mod rights;
mod roles;
mod views;

/// How a change is undone.
enum Undo {
    /// By `apply` alone.
    Apply,
    /// By these statements of the custodian's alone.
    Hand(String),
    /// By these statements, then by `apply`, which refuses before.
    Both(String),
}

/// One change behind our back.
struct Row {
    change: String,
    effect: Effect,
    /// What one of the differences must say, all of it.
    says: Vec<String>,
    undo: Undo,
    /// Whether other differences may open something, where this one closes.
    more: bool,
    /// The first `server_version_num` that knows it, and the first that does not any more.
    versions: std::ops::Range<i32>,
}

fn row(change: impl Into<String>, effect: Effect, says: &[&str], undo: Undo) -> Row {
    Row {
        change: change.into(),
        effect,
        says: says.iter().map(|part| (*part).to_owned()).collect(),
        undo,
        more: false,
        versions: 0..i32::MAX,
    }
}

impl Row {
    /// It closes something, and may open something else, too.
    fn or_opens(self) -> Self {
        Self { more: true, ..self }
    }
}

/// A change that opens something, and that `apply` undoes.
fn opens(change: impl Into<String>, says: &[&str]) -> Row {
    row(change, Effect::Opens, says, Undo::Apply)
}

/// One that only closes something, and that `apply` undoes.
fn closes(change: impl Into<String>, says: &[&str]) -> Row {
    row(change, Effect::Closes, says, Undo::Apply)
}

/// One that opens something, keeps `apply` from working, and that the custodian undoes.
fn blocks(change: impl Into<String>, says: &[&str], by_hand: impl Into<String>) -> Row {
    row(change, Effect::Opens, says, Undo::Both(by_hand.into()))
}

/// One that opens something beside the shares: what `apply` would take as it is.
fn beside(change: impl Into<String>, says: &[&str], by_hand: impl Into<String>) -> Row {
    row(change, Effect::Opens, says, Undo::Hand(by_hand.into()))
}

fn since(version: i32, row: Row) -> Row {
    let versions = version..row.versions.end;
    Row { versions, ..row }
}

fn before(version: i32, row: Row) -> Row {
    let versions = row.versions.start..version;
    Row { versions, ..row }
}

/// Runs statements one by one, as psql does: some cannot be part of a transaction.
async fn run(world: &World, sql: &str) {
    let admin = world.admin().await;
    for statement in sql.split(";;") {
        let done = admin.batch_execute(statement).await;
        done.unwrap_or_else(|error| panic!("{statement}: {error}: {:?}", error.as_db_error()));
    }
}

async fn differences(world: &World) -> Vec<Difference> {
    world.drift().await.differences
}

/// Each row: found, said, undone, and then nothing is left.
async fn all_show(world: &World, rows: Vec<Row>) {
    let version: i32 = {
        let row = world
            .admin()
            .await
            .query_one("show server_version_num", &[])
            .await;
        row.unwrap().get::<_, &str>(0).parse().unwrap()
    };
    assert_eq!(differences(world).await, [], "before the first");
    let mut wrong = Vec::new();
    for row in rows.into_iter().filter(|row| row.versions.contains(&version)) {
        run(world, &row.change).await;
        let found = differences(world).await;
        let says = |one: &&Difference| row.says.iter().all(|part| one.words.contains(part.as_str()));
        match found.iter().find(says) {
            Some(one) if one.effect == row.effect => {}
            _ => wrong.push(format!(
                "{}\n  must say {:?} ({:?})\n  says {found:#?}",
                row.change, row.says, row.effect
            )),
        }
        if row.effect == Effect::Closes && !row.more && found.iter().any(|one| one.effect == Effect::Opens) {
            wrong.push(format!("{}\n  opens nothing\n  says {found:#?}", row.change));
        }
        match &row.undo {
            Undo::Apply => {}
            Undo::Hand(sql) => run(world, sql).await,
            Undo::Both(sql) => {
                assert!(
                    world.control.apply(&[]).await.is_err(),
                    "{}: must block",
                    row.change
                );
                run(world, sql).await;
            }
        }
        if !matches!(row.undo, Undo::Hand(_)) {
            let applied = world.control.apply(&[]).await;
            assert!(applied.is_ok(), "{}: {applied:#?}", row.change);
        }
        let left = differences(world).await;
        assert_eq!(left, [], "{}: is left", row.change);
    }
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
    let session = world.log_in(&investigation()).await.unwrap();
    let count = session
        .query_one("select count(*) from people", &[])
        .await
        .unwrap();
    assert_eq!(count.get::<_, i64>(0), 5000, "the share is as it was");
}
